/*
 * test_frames.c: the allocator of frames on memory maps of all kinds, beside a model that asks of
 * each frame alone whether it may be given away.
 */
#include "host.h"

#include "bitset.c"
#include "sections.h"

/* Where the linker script would have put the image; not page aligned at its end. */
#define boot_start ((char *)0x100000)
#define image_end ((char *)0xffffffff80123800)
#include "frames.c"

#define MIB 0x100000ULL
#define GIB 0x40000000ULL
#define IMAGE_START 0x100000
#define IMAGE_END 0x123800

/* ---- The fake machine: what the boot loader would say, and one piece of memory in the window. */

#define MOST 1200
static struct memory_region regions[MOST];
static struct boot_module modules[MOST];
static size_t region_count, module_count;
static struct range info;
static bool has_info, has_window;

bool bootinfo_range(paddr_t *start, uint64_t *size)
{
    *start = paddr(has_info ? info.start : 0);
    *size = has_info ? info.end - info.start : 0;
    return has_info;
}

bool bootinfo_region(size_t index, struct memory_region *region)
{
    if (has_info && index < region_count)
        *region = regions[index];
    return has_info && index < region_count;
}

bool bootinfo_module(size_t index, struct boot_module *module)
{
    if (has_info && index < module_count)
        *module = modules[index];
    return has_info && index < module_count;
}

vaddr_t phys_offset(void)
{
    return has_window ? WINDOW_BASE : 0;
}

/* ---- The model. Numbers that wrap round in 64 bits do not in 128. */

static struct range tables; /* where the allocator put its own; empty: nowhere */
static void *tables_memory;

static void power_on(void)
{
    region_count = module_count = 0;
    has_info = has_window = true;
    info = (struct range){0x9000, 0x9800};
    tables = own_tables = (struct range){0, 0};
    owned = available = (struct bitset){0};
    free(tables_memory);
    tables_memory = NULL;
}

static void add_region(uint64_t base, uint64_t length, uint32_t type)
{
    expect(region_count < MOST);
    regions[region_count++] = (struct memory_region){base, length, type};
}

static void add_module(uint64_t start, uint64_t end)
{
    expect(module_count < MOST);
    modules[module_count++] = (struct boot_module){start, end, ""};
}

static bool region_has(const struct memory_region *region, uint64_t start, uint64_t end)
{
    return region->base <= start && end <= (unsigned __int128)region->base + region->length;
}

static bool touches(uint64_t start, unsigned __int128 length, uint64_t from, uint64_t to)
{
    return start < to && from < start + length && length > 0;
}

static bool is_usable(uint64_t start, uint64_t end)
{
    for (size_t i = 0; i < region_count; i++)
        if (regions[i].type == 1 && region_has(&regions[i], start, end))
            return end <= PHYSICAL_LIMIT;
    return false;
}

static bool is_reserved(uint64_t start, uint64_t end)
{
    if (start < MIB || touches(IMAGE_START, IMAGE_END - IMAGE_START, start, end) ||
        touches(info.start, info.end - info.start, start, end) ||
        touches(tables.start, tables.end - tables.start, start, end))
        return true;
    for (size_t i = 0; i < module_count; i++)
        if (touches(modules[i].start, modules[i].end - modules[i].start, start, end))
            return true;
    for (size_t i = 0; i < region_count; i++)
        if (regions[i].type != 1 && touches(regions[i].base, regions[i].length, start, end))
            return true;
    return false;
}

static bool may_give_away(uint64_t frame)
{
    uint64_t start = frame * PAGE_SIZE, end = start + PAGE_SIZE;
    return is_usable(start, end) && !is_reserved(start, end);
}

static uint64_t model_limit(void)
{
    unsigned __int128 limit = 0;
    for (size_t i = 0; i < region_count; i++) {
        unsigned __int128 end = (unsigned __int128)regions[i].base + regions[i].length;
        if (regions[i].type == 1 && regions[i].base < PHYSICAL_LIMIT && end > limit)
            limit = end;
    }
    return (uint64_t)(limit < PHYSICAL_LIMIT ? limit : PHYSICAL_LIMIT) / PAGE_SIZE;
}

static uint64_t tables_size(void)
{
    return 2 * bitset_bytes(model_limit());
}

/* Memory for the tables, of exactly their size, and nothing else is seen of physical memory. */
void *phys_to_virt(paddr_t address)
{
    tables = (struct range){address.raw, address.raw + tables_size()};
    if (tables_size() > 0) {
        struct range here = tables;
        tables = (struct range){0, 0};
        expect_equal(here.start % 8, 0);
        expect(is_usable(here.start, here.end) && !is_reserved(here.start, here.end));
        expect(here.end <= BOOT_WINDOW_SIZE);
        tables = here;
    }
    free(tables_memory);
    tables_memory = room(tables_size());
    memset(tables_memory, 0xa5, tables_size());
    return tables_memory;
}

/* ---- What is handed out is what the model would, from the lowest up; then all comes back. */

static uint64_t *frames; /* numbers, ascending */
static uint64_t frame_count;

static void model_frames(void)
{
    free(frames);
    frames = room((model_limit() + 1) * sizeof(*frames));
    frame_count = 0;
    for (uint64_t frame = 0; frame < model_limit(); frame++)
        if (may_give_away(frame))
            frames[frame_count++] = frame;
}

static void take_all(void)
{
    for (uint64_t i = 0; i < frame_count; i++) {
        paddr_t frame;
        expect_equal(frames_free(), frame_count - i);
        expect_equal(frame_alloc(&frame), OK);
        expect_equal(frame.raw, frames[i] * PAGE_SIZE);
    }
    paddr_t untouched = paddr(42);
    expect_equal(frame_alloc(&untouched), ERROR_NO_FRAMES);
    expect_equal(frame_alloc_run(1, &untouched), ERROR_NO_FRAMES);
    expect_equal(untouched.raw, 42);
    expect_equal(frames_free(), 0);
}

/* Not in the order in which they were taken. */
static void give_back_all(void)
{
    for (uint64_t from = 0; from < 3; from++)
        for (uint64_t i = from; i < frame_count; i += 3)
            expect_equal(frame_free(paddr(frames[i] * PAGE_SIZE)), OK);
    expect_equal(frames_free(), frame_count);
}

static bool is_frame(uint64_t number)
{
    uint64_t low = 0, high = frame_count;
    while (low < high) {
        uint64_t middle = (low + high) / 2;
        if (frames[middle] < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < frame_count && frames[low] == number;
}

static void foreign_frames_are_refused(void)
{
    for (uint64_t number = 0; number < model_limit() + 70; number++)
        if (!is_frame(number))
            expect_equal(frame_free(paddr(number * PAGE_SIZE)), ERROR_FOREIGN_FRAME);
    expect_equal(frame_free(paddr(PHYSICAL_LIMIT)), ERROR_FOREIGN_FRAME);
    expect_equal(frame_free(paddr(0xfffffffffffff000)), ERROR_FOREIGN_FRAME);
}

static void expect_as_model(void)
{
    attempt("memory map %zu regions, %zu modules, limit %#" PRIx64, region_count, module_count,
            model_limit());
    expect_equal(frames_init(), OK);
    model_frames();
    expect_equal(frames_total(), frame_count);
    take_all();
    foreign_frames_are_refused();
    give_back_all();
}

static void pc(uint64_t memory)
{
    power_on();
    add_region(0, 0x9fc00, 1);
    add_region(0x9fc00, 0x400, 2);
    add_region(0xf0000, 0x10000, 2);
    add_region(MIB, memory - MIB - 0x20000, 1);
    add_region(memory - 0x20000, 0x20000, 2);
    add_region(0xfffc0000, 0x40000, 2);
}

/* ---- Maps. */

static void a_pc(void)
{
    pc(16 * MIB);
    expect_as_model();
}

static void modules_in_memory(void)
{
    pc(16 * MIB);
    add_module(0x124000, 0x125000); /* directly behind the image */
    add_module(0x200000, 0x200001); /* one byte */
    add_module(0x2fffff, 0x300001); /* two bytes of two frames */
    add_module(0x7ff000, 0x7ff000); /* nothing, on a page */
    add_module(16 * MIB - 0x21000, 17 * MIB);
    info = (struct range){0x400ffc, 0x401004};
    expect_as_model();
}

static void a_range_without_a_byte_takes_no_frame(void)
{
    pc(16 * MIB);
    add_module(0x500800, 0x500800);
    expect_as_model();
}

/* The tables must fit between all that is reserved, and only there is room. */
static void modules_everywhere(void)
{
    pc(16 * MIB);
    for (uint64_t at = 0x124000; at < 16 * MIB; at += 0x4000)
        add_module(at, at + (at == 0x9a4000 ? 0x800 : 0x3800));
    expect_as_model();
    expect(tables.start > 0x9a4000 && tables.end <= 0x9a8000);
}

static void no_room(void)
{
    pc(16 * MIB);
    add_module(0x100000, 16 * MIB);
    expect_equal(frames_init(), ERROR_NO_FRAMES);
    power_on();
    expect_equal(frames_init(), ERROR_NO_FRAMES);
    power_on(); /* memory, but none where the boot window reaches */
    add_region(4 * GIB, GIB, 1);
    expect_equal(frames_init(), ERROR_NO_FRAMES);
}

static void regions_that_overlap(void)
{
    pc(16 * MIB);
    add_region(2 * MIB, 4 * MIB, 1);
    add_region(3 * MIB, MIB, 2); /* within two that are available: not available */
    add_region(0x500800, 0x2000, 5);
    add_region(6 * MIB, 0, 2);
    expect_as_model();
}

static void neighbours_that_share_a_frame(void)
{
    power_on();
    add_region(MIB, 0x300800, 1);
    add_region(MIB + 0x300800, 0x300800, 1);
    expect_as_model();
}

static void regions_that_wrap_round(void)
{
    pc(16 * MIB);
    add_region(UINT64_MAX - 0xfff, 0x2000, 1);
    add_region(UINT64_MAX, UINT64_MAX, 2);
    add_region(8 * MIB, UINT64_MAX - MIB, 2); /* reaches round to 7 MiB: not so far */
    add_region(PHYSICAL_LIMIT, 16 * MIB, 1);
    add_region(1ULL << 63, 1ULL << 63, 1);
    expect_as_model();
}

static uint64_t odd_or_even(uint64_t value)
{
    return one_in(2) ? value / PAGE_SIZE * PAGE_SIZE : value;
}

static void random_map(size_t count, uint64_t memory)
{
    power_on();
    add_region(MIB, 1 + below(4 * MIB), 1);
    for (size_t i = 0; i < count; i++) {
        uint64_t base = odd_or_even(below(memory));
        uint64_t length = 1 + odd_or_even(any_number() % (memory / 16));
        add_region(base, length, one_in(3) ? 2 + (uint32_t)below(4) : 1);
    }
    for (uint64_t more = below(30); more > 0; more--) {
        uint64_t start = odd_or_even(below(memory));
        add_module(start, start + 1 + any_number() % 0x8000);
    }
    info.start = below(memory) / 8 * 8;
    info.end = info.start + 8 + below(0x3000);
}

/* Is there any place for the tables at all? */
static bool room_for_tables(void)
{
    for (uint64_t at = 0; at < model_limit() * PAGE_SIZE; at += PAGE_SIZE)
        if (is_usable(at, at + tables_size()) && !is_reserved(at, at + tables_size()))
            return true;
    return false;
}

static void random_maps(void)
{
    int good = 0;
    for (int i = 0; i < 80; i++) {
        random_map(below(30), 16 * MIB);
        if (room_for_tables()) {
            expect_as_model();
            good++;
        } else {
            expect_equal(frames_init(), ERROR_NO_FRAMES);
        }
    }
    expect(good > 20);
}

static void five_hundred_holes(void)
{
    random_map(0, 16 * MIB);
    for (size_t i = 500; i-- > 0;) /* from the top down, as no loader would sort them */
        add_region(5 * MIB + i * 0x5000, 0x4000 + below(0x1000), 1);
    expect_as_model();
    random_map(1000, 64 * MIB);
    for (size_t i = 1; i < region_count; i += 2)
        regions[i].length %= 0x9000;
    if (room_for_tables())
        expect_as_model();
}

/* Sixteen million frames, with the hole below 4 GiB and a hole every 64 MiB above. */
static void sixty_four_gigabytes(void)
{
    pc(3 * GIB);
    uint64_t expected = 0;
    for (uint64_t base = 4 * GIB; base < 64 * GIB; base += 64 * MIB) {
        add_region(base, 64 * MIB - 0x3800, 1);
        expected += 64 * MIB / PAGE_SIZE - 4;
    }
    expect_equal(frames_init(), OK);
    expect_equal(tables.end - tables.start, tables_size());
    uint64_t tables_end = round_up(tables.end, PAGE_SIZE);
    expected += (3 * GIB - 0x20000 - MIB) / PAGE_SIZE;
    expected -= (0x124000 - MIB) / PAGE_SIZE + (tables_end - tables.start) / PAGE_SIZE;
    expect_equal(frames_total(), expected);

    paddr_t run, frame = {0};
    expect_equal(frame_alloc_run((3 * GIB - 0x20000 - tables_end) / PAGE_SIZE, &run), OK);
    expect_equal(run.raw, tables_end);
    expect_equal(frame_alloc_run(64 * MIB / PAGE_SIZE - 4, &run), OK);
    expect_equal(run.raw, 4 * GIB);
    expect_equal(frame_alloc_run(64 * MIB / PAGE_SIZE - 3, &run), ERROR_NO_FRAMES);
    while (frames_free() > 100000)
        expect_equal(frame_alloc_run(64 * MIB / PAGE_SIZE - 4, &run), OK);
    for (uint64_t left = frames_free(); left > 0; left--)
        expect_equal(frame_alloc(&frame), OK);
    expect_equal(frame.raw, 64 * GIB - 0x5000);
    expect_equal(frame_alloc(&frame), ERROR_NO_FRAMES);
}

/* ---- Calls. */

static void what_must_be_there_first(void)
{
    pc(16 * MIB);
    has_info = false;
    expect_equal(frames_init(), ERROR_NO_BOOT_INFO);
    has_window = false;
    expect_equal(frames_init(), ERROR_NO_BOOT_INFO);
    has_info = true;
    expect_equal(frames_init(), ERROR_NO_WINDOW);
    paddr_t frame = paddr(42);
    expect_equal(frame_alloc(&frame), ERROR_NO_FRAMES);
    expect_equal(frame_alloc_run(2, &frame), ERROR_NO_FRAMES);
    expect_equal(frame_free(paddr(0x200000)), ERROR_FOREIGN_FRAME);
    expect_equal(frame.raw, 42);
    expect_equal(frames_free() + frames_total(), 0);
}

static void errors_change_nothing(void)
{
    pc(16 * MIB);
    expect_as_model();
    paddr_t frame = paddr(42);
    expect_equal(frame_alloc_run(0, &frame), ERROR_COUNT);
    expect_equal(frame_alloc_run(frame_count + 1, &frame), ERROR_NO_FRAMES);
    expect_equal(frame_alloc_run(UINT64_MAX, &frame), ERROR_NO_FRAMES);
    expect_equal(frame_alloc_run(1ULL << 52, &frame), ERROR_NO_FRAMES);
    expect_equal(frame.raw, 42);

    uint64_t some = frames[frame_count / 2] * PAGE_SIZE;
    expect_equal(frame_free(paddr(some)), ERROR_DOUBLE_FREE);
    for (uint64_t bit = 1; bit < PAGE_SIZE; bit *= 2)
        expect_equal(frame_free(paddr(some + bit)), ERROR_UNALIGNED);
    expect_equal(frame_free(paddr(1)), ERROR_UNALIGNED);
    expect_equal(frames_free(), frame_count);
    take_all();
    expect_equal(frame_free(paddr(some)), OK);
    expect_equal(frame_free(paddr(some)), ERROR_DOUBLE_FREE);
    expect_equal(frames_free(), 1);
    expect_equal(frame_alloc(&frame), OK);
    expect_equal(frame.raw, some);
}

/* The lowest run of free frames by the model; SIZE_MAX if there is none. */
static uint64_t model_run(const uint8_t *is_free, uint64_t limit, uint64_t count)
{
    uint64_t run = 0;
    for (uint64_t frame = 0; frame < limit; frame++) {
        run = is_free[frame] ? run + 1 : 0;
        if (run == count)
            return frame + 1 - count;
    }
    return SIZE_MAX;
}

static uint64_t model_pair(const uint8_t *is_free, uint64_t limit)
{
    for (uint64_t frame = 0; frame + 1 < limit; frame += 2)
        if (is_free[frame] && is_free[frame + 1])
            return frame;
    return SIZE_MAX;
}

static void random_calls(void)
{
    random_map(40, 8 * MIB);
    regions[0].length = 2 * MIB;
    expect_as_model();
    uint64_t limit = model_limit();
    uint8_t *is_free = zeroed_room(limit);
    for (uint64_t i = 0; i < frame_count; i++)
        is_free[frames[i]] = 1;
    for (int i = 0; i < 20000; i++) {
        if (one_in(2)) {
            bool pair = one_in(4);
            uint64_t count = pair ? 2 : one_in(3) ? 1 + any_number() % 40 : 1;
            uint64_t expected = pair ? model_pair(is_free, limit)
                                     : model_run(is_free, limit, count);
            paddr_t first = paddr(42);
            attempt("step %d: allocate %" PRIu64 "%s", i, count, pair ? ", a pair" : "");
            error_t error = pair                      ? frame_alloc_pair(&first)
                            : count == 1 && one_in(2) ? frame_alloc(&first)
                                                      : frame_alloc_run(count, &first);
            expect_equal(error, expected == SIZE_MAX ? ERROR_NO_FRAMES : OK);
            expect_equal(first.raw, expected == SIZE_MAX ? 42 : expected * PAGE_SIZE);
            for (uint64_t frame = expected; error == OK && frame < expected + count; frame++)
                is_free[frame] = 0;
        } else {
            uint64_t frame = below(limit);
            attempt("step %d: free %#" PRIx64, i, frame * PAGE_SIZE);
            error_t expected = !is_frame(frame) ? ERROR_FOREIGN_FRAME
                               : is_free[frame] ? ERROR_DOUBLE_FREE
                                                : OK;
            expect_equal(frame_free(paddr(frame * PAGE_SIZE)), expected);
            is_free[frame] |= expected == OK;
        }
    }
    uint64_t left = 0;
    for (uint64_t frame = 0; frame < limit; frame++)
        left += is_free[frame];
    expect_equal(frames_free(), left);
    free(is_free);
}

MAIN(TEST(a_pc), TEST(modules_in_memory), TEST(a_range_without_a_byte_takes_no_frame),
     TEST(modules_everywhere), TEST(no_room), TEST(regions_that_overlap),
     TEST(neighbours_that_share_a_frame), TEST(regions_that_wrap_round), TEST(random_maps),
     TEST(five_hundred_holes), TEST(sixty_four_gigabytes), TEST(what_must_be_there_first),
     TEST(errors_change_nothing), TEST(random_calls))
