/*
 * mix.c: several processes make system calls by chance, all at once. What each of them sees does not
 * depend on when the others run: so the same seed gives the same checksum, whatever the timer does.
 */
#include "rung.h"

#define WORKERS 6
#define WNOHANG 1
#define PAGE 4096
#define FILES 16

static uint64_t seed, sum;
static volatile uint64_t memory[8 * PAGE / 8];
static char *nothing[] = {NULL};
static long heap;

static uint64_t chance(uint64_t limit)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (seed >> 11) % limit;
}

static void note(uint64_t value)
{
    sum = (sum ^ value) * 0x100000001b3ULL;
}

/* A child that changes its memory, and whose end is known beforehand. */
static void have_a_child(void)
{
    uint64_t code = chance(256), place = chance(sizeof(memory) / 8), kill = chance(4);
    uint64_t before = memory[place];
    int pid = fork(), status = 0;
    if (pid == 0) {
        memory[place] = ~before;
        while (kill == 0)
            system_call(SYS_sched_yield);
        exit((int)(memory[place] == ~before ? code : 0));
    }
    note(pid > 0);
    if (kill == 0)
        note((uint64_t)system_call(SYS_kill, (long)pid, 9L));
    note(wait4(pid, &status, 0) == pid);
    note((uint64_t)status);
    note(memory[place] == before);
}

/* A pipe to a child of its own, which sends something back. */
static void talk(void)
{
    int there[2], back[2], status;
    if (pipe(there) != 0)
        return;
    if (pipe(back) != 0) {
        close(there[0]);
        close(there[1]);
        return;
    }
    uint64_t size = chance(6000) + 1, total = 0, data[32];
    int pid = fork();
    if (pid == 0) {
        close(there[1]);
        for (long got; (got = read(there[0], data, sizeof(data))) > 0;)
            total += (uint64_t)got;
        write(back[1], &total, sizeof(total));
        exit(0);
    }
    close(there[0]);
    close(back[1]);
    for (uint64_t done = 0; done < size;) {
        long step = write(there[1], (const char *)memory, size - done);
        if (step <= 0)
            break;
        done += (uint64_t)step;
    }
    close(there[1]);
    note((uint64_t)read(back[0], &total, sizeof(total)));
    note(total);
    close(back[0]);
    note(wait4(pid, &status, 0) == pid);
}

static void use_memory(void)
{
    for (int i = 0; i < 20; i++) {
        uint64_t place = chance(sizeof(memory) / 8);
        note(memory[place]);
        memory[place] = seed;
    }
    long end = system_call(SYS_brk, heap + (long)chance(6 * PAGE));
    note((uint64_t)(end - heap));
    if (end > heap)
        *(volatile char *)(end - 1) = 1;
}

/* Errors that are the same whenever they are made. */
static void be_wrong(void)
{
    static const long numbers[] = {511, 512, 99999, 1L << 31, -1};
    const long addresses[] = {0, 8, 1L << 46, 0x7ffffffff000, -4096, (long)main};
    long bad = addresses[chance(sizeof(addresses) / sizeof(addresses[0]))];
    switch (chance(7)) {
    case 0:
        note((uint64_t)system_call(numbers[chance(sizeof(numbers) / sizeof(numbers[0]))]));
        break;
    case 1:
        note((uint64_t)system_call(SYS_pipe, bad));
        break;
    case 2:
        note((uint64_t)execve("nobody", nothing, nothing));
        break;
    case 3:
        note((uint64_t)wait4(-1, NULL, (int)chance(16)));
        break;
    case 4:
        note((uint64_t)system_call(SYS_kill, 1000000L, (long)chance(70)));
        break;
    case 5:
        note((uint64_t)close((int)chance(40) + 8));
        break;
    default:
        note((uint64_t)system_call(SYS_nanosleep, bad == (long)main ? 0 : bad));
    }
}

static void work(long calls)
{
    for (uint64_t i = 0; i < sizeof(memory) / 8; i++)
        memory[i] = seed * i;
    heap = system_call(SYS_brk, 0L);
    while (calls-- > 0) {
        uint64_t what = chance(100);
        if (what < 12)
            have_a_child();
        else if (what < 18)
            talk();
        else if (what < 50)
            use_memory();
        else if (what < 60)
            system_call(SYS_sched_yield);
        else
            be_wrong();
    }
}

static long number(const char *text)
{
    long n = 0;
    while (*text != '\0')
        n = n * 10 + (*text++ - '0');
    return n;
}

int main(int argc, char **argv, char **envp)
{
    (void)envp;
    uint64_t base = argc > 1 ? (uint64_t)number(argv[1]) : 1, all = 0;
    long calls = argc > 2 ? number(argv[2]) : 100;
    int ends[WORKERS][2];
    for (int i = 0; i < WORKERS; i++) {
        pipe(ends[i]);
        if (fork() == 0) {
            for (int j = 0; j <= i; j++)
                close(ends[j][0]);
            seed = base * 0x9e3779b97f4a7c15ULL + (uint64_t)i + 1;
            sum = 0xcbf29ce484222325ULL;
            work(calls);
            write(ends[i][1], &sum, sizeof(sum));
            exit(0);
        }
        close(ends[i][1]);
    }
    for (int i = 0; i < WORKERS; i++) {
        uint64_t one = 0;
        read(ends[i][0], &one, sizeof(one));
        all = all * 31 + one;
    }
    while (wait4(-1, NULL, 0) > 0)
        ;
    print("checksum: ");
    print_hex(all);
    print("\n");
    return 0;
}
