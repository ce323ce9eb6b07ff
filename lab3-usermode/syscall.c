/* syscall.c: the table of system calls. */
#include "syscall.h"
#include "errno.h"
#include "panic.h"

static int64_t no_such_call(void)
{
    return -ENOSYS;
}

syscall_t syscall_table[SYSCALL_LIMIT] = {[0 ... SYSCALL_LIMIT - 1] = SYSCALL(no_such_call)};

void syscall_register(unsigned number, syscall_t function)
{
    assert(number < SYSCALL_LIMIT);
    syscall_table[number] = function;
}

syscall_t syscall_lookup(uint64_t number)
{
    return number < SYSCALL_LIMIT ? syscall_table[number] : SYSCALL(no_such_call);
}
