/*
 * offsets.h: how assembly learns where the compiler has put the fields of C's structures.
 *
 * A file NAME_offsets.c is compiled to assembly, and no further: lab.mk takes the numbers from the
 * lines that OFFSET leaves there, and puts them into constants.inc. (Linux's asm-offsets.c does the
 * same.) To change a structure is then to change one place.
 */
#ifndef OFFSETS_H
#define OFFSETS_H

#include "types.h"

/* Within a function: `name` is the offset of a field. */
#define OFFSET(name, type, field)                                                                  \
    __asm__ volatile("\n.ascii \"-> " #name " %c0\"" : : "i"(offsetof(type, field)))

#endif
