/*
 * soak.c: system calls by chance. Arguments: a seed, and how many calls.
 *
 * Everything but the end of the program may be called, with pointers to everywhere. The answers go
 * into a checksum: the same seed must always lead to the same. Linux would do what it is asked for,
 * so there the program ends at once.
 */
#include "hostile/shared/hostile.h"

#define SYS_uname 63
#define SYSCALL_LIMIT 512 /* of Rung's table */
#define ARENA (16 * PAGE_SIZE)
#define HEAP (8 * PAGE_SIZE)
#define STACK_USED 0x10000  /* at most, by ourselves */
#define STACK_SIZE 0x100000 /* what a program may have */
#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

struct piece {
    uint64_t address, length;
};

static uint64_t state;       /* of the random numbers */
static struct piece list[4]; /* for writev */
static char arena[ARENA + PAGE_SIZE] __attribute__((aligned(PAGE_SIZE))); /* harm is done here */

/* xorshift64* (Vigna, "An experimental exploration of Marsaglia's xorshift generators"). */
static uint64_t draw(void)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545f4914f6cdd1d;
}

static uint64_t below(uint64_t limit)
{
    return (unsigned __int128)draw() * limit >> 64;
}

static uint64_t near(uint64_t center)
{
    return center + below(33) - 16;
}

/* Memory that the kernel may change without harm to us, its edges, and all sorts of nonsense. */
static uint64_t any_value(uint64_t heap)
{
    switch (below(12)) {
    case 0:
        return near(0);
    case 1:
        return draw();
    case 2:
        return near(1ULL << below(64));
    case 3:
    case 4:
        return (uintptr_t)arena + below(ARENA);
    case 5:
        return near((uintptr_t)arena + PAGE_SIZE * (1 + below(ARENA / PAGE_SIZE)));
    case 6:
        return heap + below(HEAP + PAGE_SIZE);
    case 7:
        return (uintptr_t)any_value + below(PAGE_SIZE);
    case 8:
        return (uintptr_t)__builtin_frame_address(0) - STACK_USED - below(STACK_SIZE);
    case 9:
        return near(USER_END);
    case 10:
        return KERNEL + below(1 << 20);
    default:
        return WINDOW + below(1ULL << 46);
    }
}

static uint64_t any_number(void)
{
    static const uint16_t known[] = {
        SYS_write,  SYS_writev,     SYS_brk,           SYS_sched_yield,
        SYS_getpid, SYS_arch_prctl, SYS_clock_gettime,
    };
    switch (below(8)) {
    case 0:
        return below(SYSCALL_LIMIT);
    case 1:
        return below(2) ? near(SYSCALL_LIMIT) : draw();
    default:
        return known[below(LENGTH(known))];
    }
}

static int is_console(uint64_t file)
{
    return (int)file == 1 || (int)file == 2;
}

/* The console is slow: write little to it, unless it is nothing that can be written. */
static void choose_for_write(uint64_t *a)
{
    if (below(8) == 0)
        a[0] = 1 + below(2);
    if (is_console(a[0]) && a[1] < USER_END)
        a[2] = below(16);
}

static void choose_for_writev(uint64_t *a, uint64_t heap)
{
    if (below(8) == 0)
        a[0] = 1 + below(2);
    int gentle = is_console(a[0]);
    for (unsigned i = 0; i < LENGTH(list); i++)
        list[i] = (struct piece){any_value(heap), gentle || below(2) ? below(16) : any_value(heap)};
    if (gentle || below(4) != 0) {
        a[1] = (uintptr_t)list;
        a[2] = below(LENGTH(list) + 1);
    }
}

/* More than there is takes long to find out: seldom. */
static void choose_for_brk(uint64_t *a, uint64_t heap)
{
    int too_much = a[0] > heap + HEAP && a[0] < USER_END;
    if (below(8) != 0 || (too_much && below(512) != 0))
        a[0] = heap + below(HEAP);
}

static void choose(uint64_t number, uint64_t *a, uint64_t heap)
{
    for (unsigned i = 0; i < 5; i++)
        a[i] = any_value(heap);
    if (number == SYS_write)
        choose_for_write(a);
    else if (number == SYS_writev)
        choose_for_writev(a, heap);
    else if (number == SYS_brk)
        choose_for_brk(a, heap);
    else if (number == SYS_arch_prctl && below(8) != 0)
        a[0] = ARCH_SET_GS - 1 + below(6);
    else if (number == SYS_clock_gettime && below(4) != 0)
        a[0] = below(2);
}

/* One call, and what it answered. A process's number is not the same each time. */
static uint64_t call(uint64_t heap, uint64_t process)
{
    uint64_t a[5], number = any_number();
    choose(number, a, heap);
    if (number == SYS_exit || number == SYS_exit_group)
        return 0;
    uint64_t answer = system_call(number, a[0], a[1], a[2], a[3], a[4]);
    return number == SYS_getpid ? answer - process : answer;
}

MAIN
{
    if (system_call(SYS_uname, arena) == 0) {
        print("soak: not on a kernel that has system calls which I do not know\n");
        return 1;
    }
    state = number(argv[1]);
    uint64_t calls = number(argv[2]), checksum = 0;
    uint64_t heap = system_call(SYS_brk, 0), process = system_call(SYS_getpid);
    for (uint64_t i = 0; i < calls; i++)
        checksum = (checksum ^ call(heap, process)) * 0x100000001b3; /* the prime of FNV-1a */
    print("\nchecksum: ");
    print_hex(checksum);
    print("\n");
    return 0;
}
