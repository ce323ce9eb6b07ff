/*
 * bench.c: how many instructions things take. Under QEMU's `-icount shift=0` the time-stamp counter
 * counts instructions, exactly and always the same; elsewhere it counts something like time.
 */
#include "rung.h"

#define ROUNDS 1000
#define FORKS 100

static inline uint64_t now(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

/* start.asm: getpid with nothing around it. */
long null_call(void);

static void no_call(void)
{
    for (int i = 0; i < ROUNDS; i++)
        __asm__ volatile("");
}

static void null_calls(void)
{
    for (int i = 0; i < ROUNDS; i++)
        null_call();
}

static void forks(void)
{
    for (int i = 0; i < FORKS; i++) {
        int pid = fork();
        if (pid == 0)
            exit(0);
        wait4(pid, NULL, 0);
    }
}

/* Two processes that give way to each other; each round is two switches. */
static void yields(void)
{
    for (int i = 0; i < ROUNDS; i++)
        system_call(SYS_sched_yield);
}

static int there[2], back[2];

/* A byte to the other process and back again. */
static void ping_pong(void)
{
    char byte = 0;
    for (int i = 0; i < ROUNDS; i++) {
        write(there[1], &byte, 1);
        read(back[0], &byte, 1);
    }
}

static void echo(void)
{
    char byte;
    while (read(there[0], &byte, 1) == 1)
        write(back[1], &byte, 1);
}

static uint64_t empty; /* what an empty loop takes */

static void measure(const char *what, void (*action)(void), int rounds)
{
    uint64_t start = now();
    action();
    uint64_t taken = now() - start;
    print("bench: ");
    print(what);
    print(" ");
    print_decimal((long)(taken - empty * (uint64_t)rounds / ROUNDS) / rounds);
    print("\n");
}

static int has_fork(void)
{
    return system_call(SYS_getppid) >= 0;
}

int main(int argc, char **argv, char **envp)
{
    (void)argc;
    (void)argv;
    (void)envp;
    uint64_t start = now();
    no_call();
    empty = now() - start;
    measure("null-call", null_calls, ROUNDS);
    if (!has_fork())
        return 0;
    measure("fork-exit-wait", forks, FORKS);

    int pid = fork();
    if (pid == 0) {
        yields();
        exit(0);
    }
    measure("yield-round-trip", yields, ROUNDS);
    wait4(pid, NULL, 0);

    if (pipe(there) != 0 || pipe(back) != 0)
        return 1;
    pid = fork();
    if (pid == 0) {
        close(there[1]);
        echo();
        exit(0);
    }
    measure("pipe-round-trip", ping_pong, ROUNDS);
    close(there[1]);
    wait4(pid, NULL, 0);
    return 0;
}
