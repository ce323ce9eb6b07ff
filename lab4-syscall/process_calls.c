/* process_calls.c: small system calls, each as Linux has it. */
#include "process_calls.h"
#include "errno.h"
#include "not_written.h"
#include "process.h"
#include "syscall.h"
#include "timer.h"
#include "user_memory.h"
#include "x86.h"

#define ARCH_SET_GS 0x1001
#define ARCH_SET_FS 0x1002
#define ARCH_GET_FS 0x1003
#define ARCH_GET_GS 0x1004

#define CLOCK_REALTIME 0
#define CLOCK_MONOTONIC 1
#define NANOSECONDS 1000000000ULL

static int64_t sys_getpid(void)
{
    return current_process->pid;
}

static int64_t sys_exit_group(int status)
{
    process_exit(status & 0xff);
}

/* There is nobody else to run. */
static int64_t sys_sched_yield(void)
{
    return 0;
}

/*
 * Exercise 4.6 (10 points). Set or get the FS or GS base. To set one at or above USER_END is
 * -EPERM: WRMSR would fault for a number that is no address, and GS_BASE of the kernel's half would
 * deceive isr_any_time. While the kernel runs, the program's GS base is in KERNEL_GS_BASE. To get
 * one is to write it to where `address` points, -EFAULT if that cannot be. Any other code is
 * -EINVAL.
 */
static int64_t sys_arch_prctl(int code, vaddr_t address)
{
    /* { solution 4.6 */
    bool is_fs = code == ARCH_SET_FS || code == ARCH_GET_FS;
    uint32_t msr = is_fs ? MSR_FS_BASE : MSR_KERNEL_GS_BASE;
    switch (code) {
    case ARCH_SET_FS:
    case ARCH_SET_GS:
        if (address >= USER_END)
            return -EPERM;
        wrmsr(msr, address);
        return 0;
    case ARCH_GET_FS:
    case ARCH_GET_GS: {
        uint64_t base = rdmsr(msr);
        return copy_to_user(address, &base, sizeof(base)) == sizeof(base) ? 0 : -EFAULT;
    }
    default:
        return -EINVAL;
    }
    /* } solution */
}

static int64_t sys_clock_gettime(int clock, vaddr_t address)
{
    if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC)
        return -EINVAL;
    uint64_t ticks = timer_ticks();
    const uint64_t time[2] = {ticks / TIMER_HZ, ticks % TIMER_HZ * (NANOSECONDS / TIMER_HZ)};
    return copy_to_user(address, time, sizeof(time)) == sizeof(time) ? 0 : -EFAULT;
}

void process_calls_init(void)
{
    syscall_register(SYS_getpid, SYSCALL(sys_getpid));
    syscall_register(SYS_exit_group, SYSCALL(sys_exit_group));
    syscall_register(SYS_sched_yield, SYSCALL(sys_sched_yield));
    syscall_register(SYS_arch_prctl, SYSCALL(sys_arch_prctl));
    syscall_register(SYS_clock_gettime, SYSCALL(sys_clock_gettime));
}
