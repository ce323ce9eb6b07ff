/*
 * kill-states.c: kill a child that has not run yet, that computes, sleeps, waits for a pipe to be
 * written, read, or for its own child. Nothing of what it would have done next is done.
 * Labs: 5
 * Prints: new: signal: 9
 * Prints: computing: signal: 9
 * Prints: yielding: signal: 9
 * Prints: asleep: signal: 9
 * Prints: reading: signal: 9
 * Prints: writing: signal: 9
 * Prints: waiting: signal: 9
 * Prints: the orphan is alive
 * Prints: traces: 0
 * Ends: exit 0
 */
#include "shared/hostile.h"

static int traces[2], empty[2], full[2], alive[2], born[2], go[2];
static char much[3 * 65536];

static void leave_trace(void)
{
    write(traces[1], "x", 1);
}

static void compute(void)
{
    for (volatile uint64_t i = 0;; i++)
        ;
}

static void give_way(void)
{
    for (;;)
        system_call(SYS_sched_yield);
}

static void sleep_long(void)
{
    static const int64_t time[2] = {1L << 40, 0};
    system_call(SYS_nanosleep, time, 0L);
}

static void read_nothing(void)
{
    await(empty);
}

static void write_much(void)
{
    write(full[1], much, sizeof(much));
}

static void wait_for_child(void)
{
    int pid = fork();
    if (pid == 0) {
        release(born);
        await(go);
        release(alive);
        exit(0);
    }
    wait4(pid, NULL, 0);
}

static void a_moment(void)
{
    rest(30);
}

static void until_born(void)
{
    await(born);
}

static void at_once(void) {}

/* Have a child that does this, wait like that, and kill it. */
static void attempt(const char *what, void (*act)(void), void (*wait)(void))
{
    int pid = fork();
    if (pid == 0) {
        act();
        leave_trace();
        exit(1);
    }
    wait();
    system_call(SYS_kill, pid, SIGKILL);
    ended(what, pid);
}

MAIN
{
    char byte;
    pipe(traces);
    pipe(empty);
    pipe(full);
    pipe(alive);
    pipe(born);
    pipe(go);
    attempt("new", compute, at_once); /* unless a tick comes in between */
    attempt("computing", compute, a_moment);
    attempt("yielding", give_way, a_moment);
    attempt("asleep", sleep_long, a_moment);
    attempt("reading", read_nothing, a_moment);
    attempt("writing", write_much, a_moment);
    attempt("waiting", wait_for_child, until_born);
    release(go);
    await(alive);
    print("the orphan is alive\n");
    close(traces[1]);
    result("traces", read(traces[0], &byte, 1));
    return 0;
}
