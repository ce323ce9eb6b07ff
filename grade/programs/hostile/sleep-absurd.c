/*
 * sleep-absurd.c: sleep for no time, less than none, for ever, and for a time that nobody can read.
 * Labs: 5
 * Prints: no time: 0
 * Prints: a nanosecond: 0
 * Prints: less than none: -22
 * Prints: the least of all: -22
 * Prints: a second of nanoseconds: -22
 * Prints: nanoseconds below 0: -22
 * Prints: no pointer: -14
 * Prints: nowhere: -14
 * Prints: in the kernel: -14
 * Prints: runs off: -14
 * Prints: for ever: signal: 9
 * Prints: nearly for ever: signal: 9
 * Prints: longer than there are ticks: signal: 9
 * Ends: exit 0
 */
#include "shared/hostile.h"

static void attempt(const char *what, int64_t seconds, int64_t nanoseconds)
{
    const int64_t time[2] = {seconds, nanoseconds};
    result(what, system_call(SYS_nanosleep, time, 0L));
}

static void attempt_pointer(const char *what, uint64_t time)
{
    result(what, system_call(SYS_nanosleep, time, 0L));
}

/* It still sleeps after a while: killed, it has not come to its exit. */
static void attempt_long(const char *what, int64_t seconds, int64_t nanoseconds)
{
    int pid = fork();
    if (pid == 0) {
        const int64_t time[2] = {seconds, nanoseconds};
        system_call(SYS_nanosleep, time, 0L);
        exit(1);
    }
    rest(30);
    system_call(SYS_kill, pid, SIGKILL);
    ended(what, pid);
}

MAIN
{
    attempt("no time", 0, 0);
    attempt("a nanosecond", 0, 1);
    attempt("less than none", -1, 0);
    attempt("the least of all", INT64_MIN, 0);
    attempt("a second of nanoseconds", 0, 1000000000);
    attempt("nanoseconds below 0", 0, -1);
    attempt_pointer("no pointer", 0);
    attempt_pointer("nowhere", UNMAPPED);
    attempt_pointer("in the kernel", KERNEL);
    attempt_pointer("runs off", USER_END - 8);
    attempt_long("for ever", INT64_MAX, 999999999);
    attempt_long("nearly for ever", INT64_MAX / 1000000000, 0);
    attempt_long("longer than there are ticks", INT64_MAX / 100 + 1, 0);
    return 0;
}
