/* user_memory.h: what a program points to. */
#ifndef USER_MEMORY_H
#define USER_MEMORY_H

#include "types.h"

/*
 * Copy between the kernel's memory and the running program's, and return how many bytes were
 * copied: fewer than `size` if a page on the way is not there for ring 3, or not writable. Nothing
 * that a program passes can hurt: the range is checked, and a page fault ends the copy.
 */
size_t copy_from_user(void *to, vaddr_t from, size_t size);
size_t copy_to_user(vaddr_t to, const void *from, size_t size);

/* Must be called once, after user_faults_init. */
void user_memory_init(void);

#endif
