/* scheduler.c: round robin. One queue, one processor, and a timer. */
#include "scheduler.h"
#include "gdt.h"
#include "not_written.h"
#include "percpu.h"
#include "timer.h"
#include "tlb.h"
#include "trap.h"
#include "x86.h"

/* The channel of those that wait for a tick: which one is in their wake_at. */
static const char tick_channel[1];

static bool turn_is_over; /* as the timer said while the kernel was at work */

/* switch.asm: store RSP in *from and go on at `to`. */
void switch_stacks(uint64_t *from, uint64_t to);

static struct process *first, *last;

void make_ready(struct process *process)
{
    process->state = PROCESS_READY;
    process->next = NULL;
    if (first == NULL)
        first = process;
    else
        last->next = process;
    last = process;
}

static struct process *take_first(void)
{
    struct process *process = first;
    if (process != NULL)
        first = process->next;
    return process;
}

#define READ_SELECTOR(name)                                                                        \
    ({                                                                                             \
        uint16_t selector;                                                                         \
        __asm__ volatile("mov %%" #name ", %0" : "=r"(selector));                                  \
        selector;                                                                                  \
    })
#define LOAD_SELECTOR(name, value) __asm__ volatile("mov %0, %%" #name : : "r"(value) : "memory")

/*
 * Exercise 5.3 (10 points), first part. Keep and put back what belongs to ring 3. The program's GS
 * base is in KERNEL_GS_BASE. Selectors first, bases afterwards: to load a selector changes the
 * base; for GS that must not be the kernel's, hence the two SWAPGS.
 */
void save_user_state(struct user_state *user)
{
    /* { solution 5.3 */
    __asm__ volatile("fxsave64 %0" : "=m"(user->fpu));
    user->fs_base = rdmsr(MSR_FS_BASE);
    user->gs_base = rdmsr(MSR_KERNEL_GS_BASE);
    user->ds = READ_SELECTOR(ds);
    user->es = READ_SELECTOR(es);
    user->fs = READ_SELECTOR(fs);
    user->gs = READ_SELECTOR(gs);
    /* } solution */
}

void load_user_state(const struct user_state *user)
{
    /* { solution 5.3 */
    LOAD_SELECTOR(ds, user->ds);
    LOAD_SELECTOR(es, user->es);
    LOAD_SELECTOR(fs, user->fs);
    swapgs();
    LOAD_SELECTOR(gs, user->gs);
    swapgs();
    wrmsr(MSR_FS_BASE, user->fs_base);
    wrmsr(MSR_KERNEL_GS_BASE, user->gs_base);
    __asm__ volatile("fnclex; emms; fildl %0" : : "m"(user->fpu)); /* for AMD: see usermode.asm */
    __asm__ volatile("fxrstor64 %0" : : "m"(user->fpu));
    /* } solution */
}

/*
 * Exercise 5.5 (10 points). Go on where `next` left off. Before its stack, everything that the
 * processor uses must be its own: address space (tlb.h), TSS.rsp0 and percpu.kernel_rsp for its
 * entries into the kernel, percpu.frame, and the user state. What is `current`'s must be kept first.
 */
static void switch_to(struct process *next)
{
    /* { solution 5.5 */
    struct process *current = current_process;
    save_user_state(&current->user);
    current->kernel_rsp = percpu.kernel_rsp;
    current->syscall = percpu.frame;

    current_process = next;
    next->state = PROCESS_RUNNING;
    switch_address_space(next->image.root);
    percpu.kernel_rsp = next->kernel_rsp;
    percpu.frame = next->syscall;
    set_kernel_stack(next->kernel_rsp);
    load_user_state(&next->user);
    switch_stacks(&current->switch_rsp, next->switch_rsp);
    /* } solution */
}

void schedule(void)
{
    struct process *next;
    while ((next = take_first()) == NULL)
        wait_for_interrupt();
    turn_is_over = false;
    if (next == current_process)
        next->state = PROCESS_RUNNING;
    else
        switch_to(next);
    end_if_killed();
}

void yield(void)
{
    make_ready(current_process);
    schedule();
}

void sleep_on(const void *channel)
{
    current_process->channel = channel;
    current_process->state = PROCESS_BLOCKED;
    schedule();
    current_process->channel = NULL;
}

void wakeup(const void *channel)
{
    for (unsigned i = 0; i < process_table_end; i++) {
        struct process *process = &process_table[i];
        if (process->state == PROCESS_BLOCKED && process->channel == channel)
            make_ready(process);
    }
}

void sleep_until(uint64_t tick)
{
    current_process->wake_at = tick;
    while (timer_ticks() < tick)
        sleep_on(tick_channel);
}

static void wake_sleepers(void)
{
    uint64_t now = timer_ticks();
    for (unsigned i = 0; i < process_table_end; i++) {
        struct process *process = &process_table[i];
        if (process->state == PROCESS_BLOCKED && process->channel == tick_channel &&
            process->wake_at <= now)
            make_ready(process);
    }
}

void yield_if_due(void)
{
    if (turn_is_over)
        yield();
}

void give_way(void)
{
    cli();
    yield_if_due();
    sti();
}

void end_if_killed(void)
{
    if (current_process->killed != 0)
        process_kill(current_process->killed);
}

static trap_handler_t count_tick;

/* Ring 0 is not preempted: there a process gives way of its own accord. */
static void on_tick(struct trap_frame *frame)
{
    count_tick(frame);
    wake_sleepers();
    if (came_from_user(frame))
        yield();
    else
        turn_is_over = true;
}

static trap_handler_t serve_int80;

/*
 * A call that gave way has let interrupts in. By SYSCALL the way out closes them; by int 0x80 nobody
 * does, and none may come any more when GS is the program's again.
 */
static void on_int80(struct trap_frame *frame)
{
    serve_int80(frame);
    cli();
}

void sched_init(void)
{
    serve_int80 = trap_register(VECTOR_SYSCALL, on_int80);
    count_tick = trap_register(VECTOR_TIMER, on_tick);
}
