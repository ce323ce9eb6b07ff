/* pcid.h: numbers for what the TLB remembers (Intel SDM vol. 3A 4.10.1). */
#ifndef PCID_H
#define PCID_H

#include "types.h"

/*
 * Give ring 3 a PCID of its own, SHADOW_PCID, if the processor can. Then what the kernel remembers
 * and what ring 3 remembers is kept apart, and a load of CR3 with CR3_NO_FLUSH forgets neither. CR3
 * must hold PCID 0. Says whether PCIDs are in use.
 */
bool pcids_use(void);

/* Are they in use? */
bool pcids_in_use(void);

#endif
