/* symbols.h: names for code addresses. The table is made by lab.mk and linked into the kernel. */
#ifndef SYMBOLS_H
#define SYMBOLS_H

#include "types.h"

/*
 * The name of the function that contains `address`, and in *offset how far into it `address` is;
 * NULL if the address is not in the kernel's code.
 */
const char *symbol_name(vaddr_t address, uint64_t *offset);

#endif
