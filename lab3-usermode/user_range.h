/* user_range.h: the part of memory that programs have. */
#ifndef USER_RANGE_H
#define USER_RANGE_H

#include "types.h"

/*
 * Does [start, start + size) end at or below USER_END? Both numbers are a program's choice: their sum
 * may wrap. Of no bytes, the start is asked, as Linux does.
 */
bool is_user_range(vaddr_t start, uint64_t size);

#endif
