/* entry_area.h: the only kernel memory that a program's page tables show. */
#ifndef ENTRY_AREA_H
#define ENTRY_AREA_H

#include "error.h"
#include "pte.h"

/* Does the command line ask for isolation, or the processor? pti=on, pti=off, pti=auto (the default). */
bool kpti_is_wanted(void);

/* Map the page of struct percpu: it is needed with and without isolation. */
error_t entry_area_map_percpu(void);

/*
 * Map all of the entry area in the kernel's own space, and make a chain of tables of its own that
 * leads to it and nowhere else. *way is the level-4 entry for that. Everything is for the kernel
 * only, each page with exactly the rights that it needs, and none is global. On an error all is
 * given back.
 */
error_t entry_area_create(pte_t *way);

/* Let the processor use it: GDT, TSS, IDT. Interrupts must be off. */
void entry_area_use(void);

#endif
