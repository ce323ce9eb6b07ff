/* test_safe_frames.c: which frames are page tables, and that none of them is handed out. */
#include "fake_machine.h"

#include "window.c"
#include "safe_frames.c"

/* ---- A tree of tables made by hand, and which of the machine's frames are in it. */

static bool is_table[FAKE_FRAMES];
static uint64_t root;

static uint64_t any_frame(void)
{
    return FAKE_BASE + below(FAKE_FRAMES) * 4096;
}

/* Fill a table: a few tables below it, pages of any size, entries that are not present. */
static void grow(uint64_t table, unsigned level)
{
    is_table[frame_number(table)] = true;
    for (int i = 0; i < 3; i++) {
        uint64_t *entry = &table_words(table)[one_in(3) ? 511 * below(2) : below(512)];
        if (*entry != 0)
            continue;
        if (one_in(4)) {
            *entry = any_frame() | (rng() & 0xffe & ~PS); /* not present */
        } else if (level == 1) {
            *entry = any_frame() | 1 | (one_in(2) ? PS : 0) | PTE_NO_EXECUTE;
        } else if (level < 4 && one_in(4)) {
            *entry = any_frame() | 1 | PS; /* a large page; its lowest bits do not matter here */
        } else {
            uint64_t below_it = empty_table();
            *entry = below_it | (rng() & (PTE_NO_EXECUTE | 0xf7e)) | 1;
            grow(below_it, level - 1);
        }
    }
}

static void machine_with_tables(void)
{
    machine_on();
    memset(is_table, 0, sizeof(is_table));
    root = empty_table();
    grow(root, 4);
}

/* ---- The allocator of runs: hands out what the test has put on a list. */

#define MOST_RUNS 10000
static uint64_t runs[MOST_RUNS];
static size_t run_count, runs_taken;
static uint64_t count_wanted;

error_t frame_alloc_run(uint64_t count, paddr_t *first)
{
    count_wanted = count;
    if (count == 0)
        return ERROR_COUNT;
    if (runs_taken == run_count)
        return ERROR_NO_FRAMES;
    *first = paddr(runs[runs_taken++]);
    for (uint64_t i = 0; i < count; i++) {
        unsigned number = frame_number(first->raw) + (unsigned)i;
        if (!allocated[number]) {
            allocated[number] = true;
            ASAN_UNPOISON_MEMORY_REGION(frame_bytes(number), 4096);
            memset(frame_bytes(number), 0xa5, 4096);
        }
    }
    return OK;
}

static void will_be_allocated(uint64_t run)
{
    expect(run_count < MOST_RUNS);
    runs[run_count++] = run;
}

/* ---- Tests. */

static void which_frames_are_tables(void)
{
    int tables = 0;
    for (int i = 0; i < 100; i++) {
        machine_with_tables();
        for (unsigned number = 0; number < FAKE_FRAMES; number++) {
            attempt("tree %d, frame %u", i, number);
            uint64_t frame = FAKE_BASE + number * 4096;
            expect_equal(is_page_table_frame(paddr(root), paddr(frame)), is_table[number]);
            tables += is_table[number];
        }
        expect(!is_page_table_frame(paddr(root), paddr(0)));
        memset(allocated, 0, sizeof(allocated));
        allocated_count = 0;
        free(fake_memory);
    }
    expect(tables > 300);
}

static void only_frames_that_are_no_table_and_full_of_zeroes(void)
{
    machine_with_tables();
    static uint8_t before[FAKE_FRAMES * 4096];
    for (unsigned i = 0; i < FAKE_FRAMES; i++)
        if (allocated[i])
            memcpy(before + i * 4096, frame_bytes(i), 4096);
    for (uint64_t count = 1; count < 6; count++) {
        run_count = runs_taken = 0;
        uint64_t good = 0;
        for (unsigned i = 0; i + count <= FAKE_FRAMES && good == 0; i++) {
            uint64_t tables = 0, taken = 0;
            for (uint64_t n = 0; n < count; n++) {
                tables += is_table[i + n];
                taken += allocated[i + n];
            }
            if (tables > 0)
                will_be_allocated(FAKE_BASE + i * 4096);
            else if (taken == 0 && i > 50)
                will_be_allocated(good = FAKE_BASE + i * 4096);
        }
        attempt("%" PRIu64 " safe frames behind %zu that are not", count, run_count - 1);
        expect(good != 0 && run_count > 1);
        paddr_t first;
        expect_equal(allocate_safe_frames(paddr(root), count, &first), OK);
        expect_equal(first.raw, good);
        expect_equal(count_wanted, count);
        expect_equal(runs_taken, run_count);
        for (uint64_t byte = 0; byte < count * 4096; byte++)
            expect_equal(frame_bytes(frame_number(good))[byte], 0);
    }
    for (unsigned i = 0; i < FAKE_FRAMES; i++)
        if (is_table[i])
            expect(memcmp(before + i * 4096, frame_bytes(i), 4096) == 0);
}

static void after_8192_tries_it_is_enough(void)
{
    machine_with_tables();
    for (int i = 0; i < 8192; i++)
        will_be_allocated(root);
    uint64_t good = FAKE_BASE;
    while (is_table[frame_number(good)])
        good += 4096;
    will_be_allocated(good);
    paddr_t first = paddr(42);
    expect_equal(allocate_safe_frames(paddr(root), 1, &first), ERROR_NO_SAFE_FRAMES);
    expect_equal(runs_taken, 8192);
    expect_equal(first.raw, 42);

    runs_taken = 1; /* and with one wrong frame less, it is found */
    expect_equal(allocate_safe_frames(paddr(root), 1, &first), OK);
    expect_equal(first.raw, good);
}

static void errors_of_the_allocator_are_handed_on(void)
{
    machine_with_tables();
    paddr_t first = paddr(42);
    expect_equal(allocate_safe_frames(paddr(root), 0, &first), ERROR_COUNT);
    expect_equal(allocate_safe_frames(paddr(root), 3, &first), ERROR_NO_FRAMES);
    will_be_allocated(root);
    expect_equal(allocate_safe_frames(paddr(root), 1, &first), ERROR_NO_FRAMES);
    expect_equal(first.raw, 42);
}

MAIN(TEST(which_frames_are_tables), TEST(only_frames_that_are_no_table_and_full_of_zeroes),
     TEST(after_8192_tries_it_is_enough), TEST(errors_of_the_allocator_are_handed_on))
