/* address_space.h: the page tables of one program. */
#ifndef ADDRESS_SPACE_H
#define ADDRESS_SPACE_H

#include "error.h"
#include "types.h"

/* A new level-4 table in which the user half is empty and the kernel is there. ERROR_NO_FRAMES. */
error_t address_space_create(paddr_t *root);

/*
 * Give back every frame that the user half maps, all tables of it, those that hold the kernel stack
 * if there are any, and the root. It must not be the address space in use.
 */
void address_space_destroy(paddr_t root);

/* The same if the user half is empty, and nothing else is the program's own. */
void address_space_free_root(paddr_t root);

/* Map a new frame of zeroes for ring 3. Flags and errors are those of map_user_page. */
error_t address_space_add_page(paddr_t root, vaddr_t address, uint64_t flags, paddr_t *frame);

#endif
