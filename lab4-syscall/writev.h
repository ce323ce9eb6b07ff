/* writev.h: several pieces of memory in one system call. */
#ifndef WRITEV_H
#define WRITEV_H

#include "types.h"

/* A piece of what writev is to write, as the program has it in its list. */
struct iovec {
    vaddr_t base;
    uint64_t length;
};

/* Copy piece `index` of the running program's list; false if it is not readable. */
bool get_iovec(struct iovec *piece, vaddr_t list, uint64_t index);

/* Register writev. */
void writev_init(void);

#endif
