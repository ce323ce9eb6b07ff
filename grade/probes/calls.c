/*
 * calls.c: the grader's hand inside the student's kernel.
 *
 * The grader stops the kernel where it is set up far enough, writes a table of calls into
 * probe_calls, points RIP at probe_run, and reads the results when probe_done is reached. What to
 * call with which arguments is decided outside, and so is what must have come of it: there is
 * nothing here that a kernel could learn to please.
 */
#include "types.h"

#define CALLS 1024
#define ARGUMENTS 6

/* The layout is known to grade/machine/probe.py. */
struct probe_call {
    uint64_t function;
    uint64_t arguments[ARGUMENTS];
    uint64_t indirect; /* bit i: argument i is not the value itself but where to find it */
    uint64_t result;
};

_Static_assert(sizeof(struct probe_call) == 72, "the grader writes these");

struct probe_call probe_calls[CALLS];
uint64_t probe_count;
uint8_t probe_data[0x10000] __attribute__((aligned(PAGE_SIZE))); /* what pointers point to */

void probe_run(void);
void probe_done(void) __attribute__((noinline));
uint64_t probe_peek(const volatile uint64_t *address);
void probe_poke(volatile uint64_t *address, uint64_t value);
uint64_t probe_take_all(uint32_t (*take)(uint64_t *), uint64_t *taken, uint64_t room);

typedef uint64_t (*function_t)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);

static uint64_t argument(const struct probe_call *call, unsigned i)
{
    uint64_t value = call->arguments[i];
    return call->indirect & 1ULL << i ? *(const uint64_t *)value : value;
}

void probe_run(void)
{
    for (uint64_t i = 0; i < probe_count; i++) {
        struct probe_call *call = &probe_calls[i];
        call->result = ((function_t)call->function)(argument(call, 0), argument(call, 1),
                                                    argument(call, 2), argument(call, 3),
                                                    argument(call, 4), argument(call, 5));
    }
    probe_done();
    for (;;)
        ;
}

/* The grader's breakpoint. */
void probe_done(void)
{
    __asm__ volatile("" : : : "memory");
}

/* Memory as the kernel sees it, through the TLB and all. */
uint64_t probe_peek(const volatile uint64_t *address)
{
    return *address;
}

void probe_poke(volatile uint64_t *address, uint64_t value)
{
    *address = value;
}

/* Call a function until it has nothing more to give, or there is no room: how often it gave. */
uint64_t probe_take_all(uint32_t (*take)(uint64_t *), uint64_t *taken, uint64_t room)
{
    uint64_t count = 0;
    while (count < room && take(&taken[count]) == 0)
        count++;
    return count;
}
