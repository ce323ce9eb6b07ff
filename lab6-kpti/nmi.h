/* nmi.h: the interrupt that cannot be masked. */
#ifndef NMI_H
#define NMI_H

#include "types.h"

/* From now on NMIs are counted, and harm nobody. */
void nmi_init(void);

uint64_t nmi_count(void);

#endif
