/* fork_calls.c: parents, children, and patience. */
#include "fork_calls.h"
#include "errno.h"
#include "fork.h"
#include "not_written.h"
#include "process.h"
#include "scheduler.h"
#include "syscall.h"
#include "timer.h"
#include "user_memory.h"
#include "x86.h"

#define WNOHANG 1
#define WUNTRACED 2
#define WCONTINUED 8
#define WNOTHREAD 0x20000000
#define WALL 0x40000000
#define WCLONE (int)0x80000000
#define RUSAGE_SIZE 144 /* struct rusage */
#define NANOSECONDS 1000000000LL

/* The number of the child; -EAGAIN without a place for it, -ENOMEM without memory. */
static int64_t sys_fork(void)
{
    struct process *child;
    cli();
    error_t error = process_fork(&child);
    if (error == OK)
        make_ready(child);
    else
        yield_if_due(); /* or who asks again and again is hardly ever in ring 3 */
    sti();
    if (error == OK)
        return child->pid;
    return error == ERROR_NO_PROCESS || error == ERROR_NO_STACK_SLOT ? -EAGAIN : -ENOMEM;
}

/*
 * Exercise 5.4 (20 points). Look for a child of the running process: number `pid`, or any if pid is
 * -1. Returns an ended one if there is any; *exists says whether there is one at all.
 */
static struct process *find_child(int pid, bool *exists)
{
    /* { solution 5.4 */
    *exists = false;
    for (unsigned i = 0; i < process_table_end; i++) {
        struct process *child = &process_table[i];
        if (child->state == PROCESS_UNUSED || child->parent != current_process ||
            (pid != -1 && child->pid != pid))
            continue;
        *exists = true;
        if (child->state == PROCESS_ZOMBIE)
            return child;
    }
    return NULL;
    /* } solution */
}

/*
 * Second part. pid_t wait4(pid_t pid, int *status, int options): wait for a child to end (sleep_on
 * current_process: a child that ends wakes its parent) and free it. -ECHILD without such a child;
 * with WNOHANG 0 instead of waiting; -EFAULT if `status` is neither 0 nor writable: the child is
 * gone all the same, as on Linux. Interrupts must be off from the look at the children to the sleep,
 * or a child's end could come between them.
 */
static int64_t wait_for_child(int pid, vaddr_t status, int options)
{
    /* { solution 5.4 */
    bool exists;
    struct process *child;
    while ((child = find_child(pid, &exists)) == NULL) {
        if (!exists)
            return -ECHILD;
        if (options & WNOHANG)
            return 0;
        sleep_on(current_process);
    }
    int number = child->pid, how = child->status;
    process_free(child);
    if (status != 0 && copy_to_user(status, &how, sizeof(how)) != sizeof(how))
        return -EFAULT;
    return number;
    /* } solution */
}

/* The first process's number is that of the group. */
static bool is_group(int pid)
{
    return pid == 0 || pid == -process_table[0].pid;
}

/* Every process is in one group, and a child's end is always told by SIGCHLD: there are no clones. */
static int64_t sys_wait4(int pid, vaddr_t status, int options, vaddr_t usage)
{
    static const char nothing[RUSAGE_SIZE]; /* nobody measures what a child has used */
    if ((options & ~(WNOHANG | WUNTRACED | WCONTINUED | WNOTHREAD | WCLONE | WALL)) != 0)
        return -EINVAL;
    if (pid == INT32_MIN) /* its negative is no number */
        return -ESRCH;
    if ((pid < -1 && !is_group(pid)) || (options & (WCLONE | WALL)) == WCLONE)
        return -ECHILD;
    cli();
    int64_t result = wait_for_child(pid > 0 ? pid : -1, status, options);
    yield_if_due(); /* or who asks again and again with WNOHANG waits for a child that never runs */
    sti();
    if (result > 0 && usage != 0 && copy_to_user(usage, nothing, RUSAGE_SIZE) != RUSAGE_SIZE)
        return -EFAULT;
    return result;
}

static int64_t sys_getppid(void)
{
    return current_process->parent != NULL ? current_process->parent->pid : 0;
}

static int64_t sys_sched_yield(void)
{
    cli();
    yield();
    sti();
    return 0;
}

static int64_t sys_nanosleep(vaddr_t request)
{
    int64_t time[2]; /* seconds, nanoseconds */
    if (copy_from_user(time, request, sizeof(time)) != sizeof(time))
        return -EFAULT;
    if (time[0] < 0 || time[1] < 0 || time[1] >= NANOSECONDS)
        return -EINVAL;
    uint64_t ticks = (uint64_t)(time[1] + NANOSECONDS / TIMER_HZ - 1) / (NANOSECONDS / TIMER_HZ);
    ticks = (uint64_t)time[0] > UINT64_MAX / TIMER_HZ / 2 ? UINT64_MAX / 2
                                                          : ticks + (uint64_t)time[0] * TIMER_HZ;
    uint64_t end = timer_ticks() + ticks + (ticks > 0); /* the tick that has begun does not count */
    cli();
    sleep_until(end);
    sti();
    return 0;
}

static syscall_t move_break; /* lab 4's */

/* For a large heap it takes longer than a turn. */
static int64_t sys_brk(vaddr_t wanted)
{
    int64_t end = move_break(wanted, 0, 0, 0, 0, 0);
    give_way();
    return end;
}

void fork_calls_init(void)
{
    move_break = syscall_lookup(SYS_brk);
    syscall_register(SYS_brk, SYSCALL(sys_brk));
    syscall_register(SYS_fork, SYSCALL(sys_fork));
    syscall_register(SYS_wait4, SYSCALL(sys_wait4));
    syscall_register(SYS_getppid, SYSCALL(sys_getppid));
    syscall_register(SYS_sched_yield, SYSCALL(sys_sched_yield));
    syscall_register(SYS_nanosleep, SYSCALL(sys_nanosleep));
}
