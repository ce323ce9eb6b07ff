/* user_memory.h: reading what a program points to. */
#ifndef USER_MEMORY_H
#define USER_MEMORY_H

#include "types.h"

/*
 * Copy up to `size` bytes from the running program's memory, and return how many: fewer if a page
 * on the way is not there for ring 3. Nothing that a program passes can make this fault.
 */
size_t copy_from_user(void *to, vaddr_t from, size_t size);

#endif
