/* syscall.c: the table of system calls. */
#include "syscall.h"
#include "errno.h"
#include "panic.h"
#include "syscall_numbers.h"

static syscall_t table[SYSCALL_LIMIT]; /* NULL: nobody */

static int64_t no_such_call(void)
{
    return -ENOSYS;
}

void syscall_register(unsigned number, syscall_t function)
{
    assert(number < SYSCALL_LIMIT);
    table[number] = function;
}

syscall_t syscall_lookup(uint64_t number)
{
    if (number >= SYSCALL_LIMIT || table[number] == NULL)
        return SYSCALL(no_such_call);
    return table[number];
}
