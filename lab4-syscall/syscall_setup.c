/* syscall_setup.c: telling the processor where SYSCALL goes. */
#include "gdt.h"
#include "not_written.h"
#include "panic.h"
#include "percpu.h"
#include "process.h"
#include "signals.h"
#include "syscall_entry.h"
#include "x86.h"

void syscall_entry(void);

/*
 * The selectors in STAR: SYSCALL takes CS from bits 32-47, and SS 8 above that; SYSRET takes SS
 * from bits 48-63 plus 8, and CS from the same plus 16 (Intel SDM vol. 2B, SYSCALL and SYSRET). AMD
 * does not force the ring into SS, so it is part of the value.
 */
#define STAR_SYSCALL ((uint64_t)SELECTOR_KERNEL_CODE)
#define STAR_SYSRET ((uint64_t)(USER_SS - 8))

/* SYSCALL and SYSRET do not read the GDT, they just assume. Everybody else reads it. */
static void check_gdt(void)
{
    if (gdt[STAR_SYSCALL / 8] != code_descriptor(0) ||
        gdt[(STAR_SYSCALL + 8) / 8] != data_descriptor(0) ||
        gdt[(STAR_SYSRET + 8) / 8] != data_descriptor(3) ||
        gdt[(STAR_SYSRET + 16) / 8] != code_descriptor(3))
        panic("the GDT's order is not the one that STAR assumes");
}

/*
 * Exercise 4.2 (10 points). The five MSRs of syscall_entry.h. SFMASK names the flags that SYSCALL
 * clears: all that could hurt in the kernel, which is SFMASK_ALL. KERNEL_GS_BASE gets the
 * address of percpu; swapgs() then makes it GS_BASE, for the kernel is what runs now.
 */
void init_syscall(void)
{
    check_gdt();
    /* { solution 4.2 */
    wrmsr(MSR_STAR, STAR_SYSRET << 48 | STAR_SYSCALL << 32);
    wrmsr(MSR_LSTAR, (uint64_t)syscall_entry);
    wrmsr(MSR_SFMASK, SFMASK_ALL);
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
    wrmsr(MSR_GS_BASE, 0);
    wrmsr(MSR_KERNEL_GS_BASE, (uint64_t)&percpu);
    swapgs();
    /* } solution */
}

uint64_t get_saved_user_rsp(void)
{
    return percpu.frame != NULL ? percpu.frame->rsp : percpu.user_rsp;
}

uint64_t per_cpu_data_ptr(void)
{
    return (uint64_t)&percpu;
}

void syscall_bad_return(void)
{
    process_kill(SIGSEGV);
}
