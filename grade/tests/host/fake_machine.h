/*
 * fake_machine.h: a little physical memory in the window, an allocator of its frames that can be
 * told to fail, and an MMU that walks tables by the manual (Intel SDM vol. 3A 4.5), not by pte.h.
 */
#ifndef FAKE_MACHINE_H
#define FAKE_MACHINE_H

#include "host.h"

#include "frames.h"
#include "panic.h"
#include "window.h"

#include <sanitizer/asan_interface.h>

#ifndef FAKE_FRAMES
#define FAKE_FRAMES 160
#endif
#define FAKE_BASE 0x7654321000ULL /* where physical memory lies: an address above 4 GiB */
#define FAKE_BYTES ((uint64_t)FAKE_FRAMES * 4096)

static uint8_t *fake_memory;
static bool allocated[FAKE_FRAMES];
static uint64_t allocated_count;
static uint64_t allocations_left = UINT64_MAX; /* then frame_alloc fails */
static bool refused;                           /* it has failed */
static bool freed_since_flush;                 /* a frame was freed behind the last invlpg */

HELPER void machine_on(void)
{
    fake_memory = aligned_alloc(4096, FAKE_BYTES);
    ASAN_POISON_MEMORY_REGION(fake_memory, FAKE_BYTES);
    window_open((uintptr_t)fake_memory - FAKE_BASE);
}

HELPER uint8_t *frame_bytes(unsigned number)
{
    return fake_memory + (size_t)number * 4096;
}

HELPER unsigned frame_number(uint64_t physical)
{
    if (physical < FAKE_BASE || physical >= FAKE_BASE + FAKE_BYTES || physical % 4096 != 0)
        fail(__FILE__, __LINE__, "%#" PRIx64 " is no frame of this machine", physical);
    return (unsigned)((physical - FAKE_BASE) / 4096);
}

/* Any frame, full of rubbish. Only what is allocated may be touched: ASan watches the rest. */
error_t frame_alloc(paddr_t *frame)
{
    if (allocations_left == 0 || allocated_count == FAKE_FRAMES) {
        refused = true;
        return ERROR_NO_FRAMES;
    }
    allocations_left--;
    unsigned number = (unsigned)below(FAKE_FRAMES);
    while (allocated[number])
        number = (number + 1) % FAKE_FRAMES;
    allocated[number] = true;
    allocated_count++;
    ASAN_UNPOISON_MEMORY_REGION(frame_bytes(number), 4096);
    memset(frame_bytes(number), 0xa5, 4096);
    *frame = paddr(FAKE_BASE + (uint64_t)number * 4096);
    return OK;
}

error_t frame_free(paddr_t frame)
{
    unsigned number = frame_number(frame.raw);
    if (!allocated[number])
        fail(__FILE__, __LINE__, "%#" PRIx64 " is freed twice", frame.raw);
    allocated[number] = false;
    allocated_count--;
    ASAN_POISON_MEMORY_REGION(frame_bytes(number), 4096);
    freed_since_flush = true;
    return OK;
}

void must(error_t error)
{
    expect_equal(error, OK);
}

HELPER uint64_t *table_words(uint64_t physical)
{
    unsigned number = frame_number(physical);
    if (!allocated[number])
        fail(__FILE__, __LINE__, "the table at %#" PRIx64 " has been freed", physical);
    return (uint64_t *)frame_bytes(number);
}

HELPER uint64_t empty_table(void)
{
    paddr_t root;
    expect_equal(frame_alloc(&root), OK);
    memset(frame_bytes(frame_number(root.raw)), 0, 4096);
    return root.raw;
}

/* ---- The MMU. */

struct view {
    bool present;
    uint64_t physical; /* of the address itself */
    uint64_t size;     /* of its page */
    uint64_t flags;    /* of the page's own entry, without the address and PS */
    bool writable, user, executable;
    uint64_t *entry; /* the last that was looked at */
    unsigned level;  /* and its level */
};

#define FRAME_BITS 0x000ffffffffff000ULL
#define PS 0x80ULL

HELPER struct view mmu(uint64_t root, uint64_t address)
{
    struct view view = {.writable = true, .user = true, .executable = true};
    uint64_t table = root;
    for (view.level = 4;; view.level--) {
        unsigned shift = 12 + 9 * (view.level - 1);
        view.entry = &table_words(table)[address >> shift & 511];
        uint64_t entry = *view.entry;
        if ((entry & 1) == 0)
            return view;
        view.writable &= (entry & 2) != 0;
        view.user &= (entry & 4) != 0;
        view.executable &= entry >> 63 == 0;
        if (view.level == 4)
            expect((entry & PS) == 0); /* reserved there */
        if (view.level == 1 || (entry & PS) != 0) {
            view.size = 1ULL << shift;
            expect((entry & FRAME_BITS & (view.size - 1) & ~0x1000ULL) == 0); /* reserved */
            view.present = true;
            view.physical = (entry & FRAME_BITS & ~(view.size - 1)) + address % view.size;
            view.flags = entry & ~FRAME_BITS & (view.level == 1 ? ~0ULL : ~PS);
            return view;
        }
        table = entry & FRAME_BITS;
    }
}

#endif
