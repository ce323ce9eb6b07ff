/* user_range.c: the question that comes before every pointer of a program's is followed. */
#include "user_range.h"
#include "not_written.h"

/* Exercise 3.7 (10 points), first part. As user_range.h says. */
bool is_user_range(vaddr_t start, uint64_t size)
{
    /* { solution 3.7 */
    return start <= USER_END && size <= USER_END - start;
    /* } solution */
}
