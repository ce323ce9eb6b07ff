/* test_paging.c: page tables in a fake window, beside a list of what should be mapped. */
#include "fake_machine.h"

#include "window.c"
#include "paging.c"

/* ---- The model: pages that should be mapped, of 4 KiB, 2 MiB and 1 GiB. */

struct page {
    uint64_t address, size, physical, flags;
};

#define MOST_PAGES 40000
static struct page pages[MOST_PAGES];
static size_t page_count;
static uint64_t root;

static struct page *model_page(uint64_t address)
{
    for (size_t i = 0; i < page_count; i++)
        if (address - pages[i].address < pages[i].size)
            return &pages[i];
    return NULL;
}

static bool model_overlaps(uint64_t address, uint64_t size)
{
    for (size_t i = 0; i < page_count; i++)
        if (address - pages[i].address < pages[i].size || pages[i].address - address < size)
            return true;
    return false;
}

static void model_add(struct page page)
{
    expect(page_count < MOST_PAGES);
    pages[page_count++] = page;
}

/* Cut the large page that has an address until what has it is of `size`. */
static struct page *model_split(uint64_t address, uint64_t size)
{
    struct page *page;
    while ((page = model_page(address)) != NULL && page->size > size) {
        struct page large = *page;
        *page = pages[--page_count];
        large.size /= 512;
        for (unsigned i = 0; i < 512;
             i++, large.address += large.size, large.physical += large.size)
            model_add(large);
    }
    return page;
}

/* ---- Addresses at the edges of everything. */

static const uint64_t corners[] = {
    0x0,
    0x1000,
    0x1ff000,
    0x200000,
    0x3fe000,
    0x40000000,
    0x40001000,
    0x40200000,
    0x7fffc0000000,
    0x7fffffe00000,
    0x7fffffffd000,
    0x7fffffffe000,
    0x7ffffffff000,
    0x8000000000,
    0xffff800000000000,
    0xffff800000001000,
    0xffff800000200000,
    0xffff800040000000,
    0xffffc90000000000,
    0xffffff7ffffff000,
    0xffffffff80000000,
    0xffffffff80100000,
    0xffffffffc0000000,
    0xffffffffffe00000,
    0xfffffffffffff000,
};

static const uint64_t wrong_addresses[] = {
    0x800000000000,     0xffff7ffffffff000, 0x0001000000001000, 0x8000000000000000,
    0xfffe800000000000, 0x40000001,         0xffffffff80000800, 0x7fffffffe123,
};

static uint64_t an_address(void)
{
    return one_in(12) ? PICK(wrong_addresses) : PICK(corners);
}

static uint64_t a_frame(uint64_t size)
{
    uint64_t frame = any_number() % (1ULL << 52) / size * size;
    if (one_in(30))
        frame |= 1ULL << below(64);
    return frame;
}

static const uint64_t wrong[] = {
    PTE_WRITABLE,
    PTE_WRITABLE | PTE_USER,
    PTE_PRESENT,
    PTE_NO_EXECUTE | PTE_LARGE,
    PTE_NO_EXECUTE | PTE_GLOBAL,
    PTE_NO_EXECUTE | PTE_ACCESSED | PTE_DIRTY,
    PTE_NO_EXECUTE | 0x1000,
};

#define RW (PTE_WRITABLE | PTE_NO_EXECUTE)

static uint64_t some_flags(void)
{
    static const uint64_t good[] = {
        0,
        PTE_NO_EXECUTE,
        PTE_NO_EXECUTE | PTE_WRITABLE,
        PTE_USER,
        PTE_USER | PTE_NO_EXECUTE,
        PTE_USER | PTE_NO_EXECUTE | PTE_WRITABLE,
        PTE_NO_EXECUTE | PTE_WRITABLE | PTE_WRITE_THROUGH | PTE_CACHE_DISABLE,
    };
    if (one_in(15))
        return one_in(2) ? PICK(wrong) : PICK(good) | 1ULL << below(64);
    return PICK(good);
}

/* ---- What paging.h promises, in its words and order. */

static bool canonical(uint64_t address)
{
    return address >> 47 == 0 || address >> 47 == 0x1ffff;
}

static bool high_half(uint64_t address)
{
    return address >> 63 != 0;
}

static bool wrong_flags(uint64_t address, uint64_t flags)
{
    uint64_t known = PTE_WRITABLE | PTE_USER | PTE_NO_EXECUTE | PTE_WRITE_THROUGH |
                     PTE_CACHE_DISABLE;
    return (flags & ~known) != 0 || ((flags & PTE_USER) != 0 && high_half(address)) ||
           ((flags & PTE_WRITABLE) != 0 && (flags & PTE_NO_EXECUTE) == 0);
}

static error_t expected_of_map(uint64_t address, uint64_t frame, uint64_t flags, uint64_t size)
{
    if (!canonical(address))
        return ERROR_NOT_CANONICAL;
    if (address % size != 0 || frame % size != 0)
        return ERROR_UNALIGNED;
    if (address < 0x1000)
        return ERROR_PAGE_ZERO;
    if (!high_half(address) && address + size > 0x7ffffffff000)
        return ERROR_NOT_USER; /* the last page is never mapped, nor by a large one */
    if (frame >= 1ULL << 52)
        return ERROR_PHYSICAL_RANGE;
    if (wrong_flags(address, flags))
        return ERROR_FLAGS;
    return model_overlaps(address, size) ? ERROR_ALREADY_MAPPED : OK;
}

/* ---- A TLB that forgets nothing by itself, and fills itself again at the worst moment. */

static struct view cached[ARRAY_SIZE(corners)];

static void fill_tlb(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(corners); i++)
        cached[i] = mmu(root, corners[i]);
    freed_since_flush = false;
}

void invlpg(vaddr_t address)
{
    freed_since_flush = false;
    for (size_t i = 0; i < ARRAY_SIZE(corners); i++)
        if (!cached[i].present || (corners[i] ^ address) < cached[i].size)
            cached[i] = mmu(root, corners[i]);
}

/* What the processor believes is what the tables say. That nothing is there it never believes. */
static void expect_fresh_tlb(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(corners); i++) {
        struct view now = mmu(root, corners[i]);
        if (!cached[i].present)
            continue;
        if (!now.present || now.physical != cached[i].physical ||
            now.writable != cached[i].writable || now.user != cached[i].user ||
            now.executable != cached[i].executable)
            fail(__FILE__, __LINE__, "the TLB still has the old translation of %#" PRIx64,
                 corners[i]);
    }
}

/* Entries that lead to tables are cached too (SDM vol. 3A 4.10.3), even before they are used. */
static void expect_no_freed_table_in_the_tlb(void)
{
    if (freed_since_flush)
        fail(__FILE__, __LINE__, "a table was freed, and the processor may still know it");
}

/* ---- The tables against the model. */

static void expect_view(uint64_t address)
{
    struct view view = mmu(root, address);
    const struct page *page = model_page(address);
    expect_equal(view.present, page != NULL);
    if (page == NULL)
        return;
    expect_equal(view.size, page->size);
    expect_equal(view.physical, page->physical + (address - page->address));
    expect_equal(view.flags, page->flags | PTE_PRESENT);
    expect_equal(view.writable, (page->flags & PTE_WRITABLE) != 0);
    expect_equal(view.executable, (page->flags & PTE_NO_EXECUTE) == 0);
    expect_equal(view.user, (page->flags & PTE_USER) != 0);
}

static void expect_walk(uint64_t address)
{
    struct view view = mmu(root, address);
    unsigned level = 0;
    expect(walk(paddr(root), address, &level) == view.entry);
    expect_equal(level, view.level);
}

static void expect_translation(uint64_t address)
{
    paddr_t physical = paddr(42);
    error_t error = translate(paddr(root), address, &physical);
    const struct page *page = canonical(address) ? model_page(address) : NULL;
    if (page != NULL) {
        expect_equal(error, OK);
        expect_equal(physical.raw, page->physical + (address - page->address));
    } else {
        expect_equal(error, canonical(address) ? ERROR_NOT_MAPPED : ERROR_NOT_CANONICAL);
        expect_equal(physical.raw, 42);
    }
}

/* Count the pages and tables below one table, none of which is empty but what unmap_page keeps. */
static void count_table(uint64_t table, unsigned level, bool kept, uint64_t *leaves,
                        uint64_t *tables)
{
    const uint64_t *entries = table_words(table);
    bool empty = true;
    ++*tables;
    for (unsigned i = 0; i < 512; i++) {
        if (entries[i] == 0)
            continue;
        empty = false;
        bool kernel_half = level == 4 && i >= 256;
        if (level == 1 || (entries[i] & PS) != 0)
            ++*leaves;
        else
            count_table(entries[i] & FRAME_BITS, level - 1, kernel_half, leaves, tables);
        if (kernel_half)
            expect((entries[i] & PTE_USER) == 0);
    }
    if (empty && !kept)
        fail(__FILE__, __LINE__, "an empty table of level %u has not been given back", level);
}

static void expect_all(void)
{
    uint64_t leaves = 0, tables = 0;
    count_table(root, 4, true, &leaves, &tables);
    expect_equal(leaves, page_count);
    expect_equal(tables, allocated_count);
    for (size_t i = 0; i < page_count; i++)
        expect_view(pages[i].address);
}

static void expect_corners(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(corners); i++)
        expect_view(corners[i]);
}

/* ---- All of memory, to see that nothing at all was changed. */

static uint8_t *before;
static bool allocated_before[FAKE_FRAMES];

static void remember_memory(void)
{
    if (before == NULL)
        before = room(FAKE_BYTES);
    memcpy(allocated_before, allocated, sizeof(allocated));
    for (unsigned i = 0; i < FAKE_FRAMES; i++)
        if (allocated[i])
            memcpy(before + (size_t)i * 4096, frame_bytes(i), 4096);
}

static void expect_unchanged_memory(void)
{
    if (memcmp(allocated, allocated_before, sizeof(allocated)) != 0)
        fail(__FILE__, __LINE__, "an error, but frames were allocated or freed");
    for (unsigned i = 0; i < FAKE_FRAMES; i++)
        if (allocated[i] && memcmp(before + (size_t)i * 4096, frame_bytes(i), 4096) != 0)
            fail(__FILE__, __LINE__, "an error, but a table was changed");
}

/* ---- One call each, with the model alongside. */

static void start(uint64_t allocations)
{
    allocations_left = allocations;
    refused = false;
    remember_memory();
    fill_tlb();
}

static error_t end(error_t error, error_t expected)
{
    expect_equal(error, expected == OK && refused ? ERROR_NO_FRAMES : expected);
    expect_fresh_tlb();
    if (error == OK)
        expect_no_freed_table_in_the_tlb();
    allocations_left = UINT64_MAX;
    return error;
}

static const char *const kinds[] = {"", "map_page", "map_large_page 2", "map_large_page 3",
                                    "map_user_page"};

/* `kind` is a level, or 4 for map_user_page. */
static uint64_t page_size(unsigned kind)
{
    return kind == 4 ? 4096 : 4096ULL << 9 * (kind - 1);
}

static error_t try_map(unsigned kind, uint64_t address, uint64_t frame, uint64_t flags,
                       uint64_t allocations)
{
    attempt("%s %#" PRIx64 " to %#" PRIx64 ", flags %#" PRIx64 ", %" PRId64 " frames left",
            kinds[kind], address, frame, flags, (int64_t)allocations);
    uint64_t size = page_size(kind);
    error_t expected = expected_of_map(address, frame, kind == 4 ? flags | PTE_USER : flags, size);
    if (kind == 4 && canonical(address) && high_half(address))
        expected = ERROR_NOT_USER;
    start(allocations);
    error_t error = kind == 4   ? map_user_page(paddr(root), address, paddr(frame), flags)
                    : kind == 1 ? map_page(paddr(root), address, paddr(frame), flags)
                                : map_large_page(paddr(root), address, paddr(frame), flags, kind);
    if (end(error, expected) == OK)
        model_add((struct page){address, size, frame, kind == 4 ? flags | PTE_USER : flags});
    else
        expect_unchanged_memory();
    return error;
}

static error_t expected_of_page(uint64_t address)
{
    if (!canonical(address))
        return ERROR_NOT_CANONICAL;
    if (address % 4096 != 0)
        return ERROR_UNALIGNED;
    return model_page(address) != NULL ? OK : ERROR_NOT_MAPPED;
}

/* Memory may run out between the two splits of 1 GiB. That changes no translation. */
static void split_like_the_tables(uint64_t address)
{
    model_split(address, mmu(root, address).size);
}

static error_t try_unmap(uint64_t address, uint64_t allocations)
{
    attempt("unmap_page %#" PRIx64 ", %" PRId64 " frames left", address, (int64_t)allocations);
    error_t expected = expected_of_page(address);
    paddr_t frame = paddr(42);
    start(allocations);
    error_t error = end(unmap_page(paddr(root), address, &frame), expected);
    if (error == OK) {
        struct page *page = model_split(address, 4096);
        expect_equal(frame.raw, page->physical);
        *page = pages[--page_count];
    } else {
        expect_equal(frame.raw, 42);
        if (error == ERROR_NO_FRAMES)
            split_like_the_tables(address);
        else
            expect_unchanged_memory();
    }
    return error;
}

static error_t try_protect(uint64_t address, uint64_t flags, uint64_t allocations)
{
    attempt("protect_page %#" PRIx64 ", flags %#" PRIx64 ", %" PRId64 " frames left", address,
            flags, (int64_t)allocations);
    error_t expected = expected_of_page(address);
    start(allocations);
    error_t error = protect_page(paddr(root), address, flags);
    if (wrong_flags(address, flags) && expected != OK)
        expected = error == ERROR_FLAGS ? error : expected; /* which of the two is not promised */
    else if (wrong_flags(address, flags))
        expected = ERROR_FLAGS;
    if (end(error, expected) == OK)
        model_split(address, 4096)->flags = flags;
    else if (error == ERROR_NO_FRAMES)
        split_like_the_tables(address);
    else
        expect_unchanged_memory();
    return error;
}

static void machine_with_root(void)
{
    machine_on();
    root = empty_table();
}

/* ---- Tests. */

static void random_step(void)
{
    uint64_t address = an_address(), allocations = one_in(4) ? below(5) : UINT64_MAX;
    unsigned kind = one_in(2) ? 1 : 1 + (unsigned)below(4);
    switch (below(5)) {
    case 0:
    case 1:
        try_map(kind, address, a_frame(page_size(kind)), some_flags(), allocations);
        break;
    case 2:
    case 3:
        try_unmap(address, allocations);
        break;
    default:
        try_protect(address, some_flags(), allocations);
    }
    expect_corners();
    address = an_address() + (one_in(2) ? below(4096) : 0);
    expect_translation(address);
    if (canonical(address))
        expect_walk(address);
}

/* Unmap whole large pages at once, or the list of pages would grow for ever. */
static void unmap_everything(void)
{
    while (page_count > 0)
        expect_equal(try_unmap(pages[page_count - 1].address, UINT64_MAX), OK);
}

static void random_calls_on_small_pages(void)
{
    machine_with_root();
    for (int i = 0; i < 8000; i++) {
        uint64_t address = an_address();
        if (one_in(2))
            try_map(one_in(3) ? 4 : 1, address, a_frame(4096), some_flags(),
                    one_in(4) ? below(4) : UINT64_MAX);
        else if (one_in(2))
            try_unmap(address, UINT64_MAX);
        else
            try_protect(address, some_flags(), UINT64_MAX);
        expect_corners();
        expect_translation(address + below(4096));
        if (i % 100 == 0)
            expect_all();
    }
    unmap_everything();
    expect_all();
}

static void random_calls_on_all_pages(void)
{
    for (int round = 0; round < 60; round++) {
        machine_with_root();
        for (int i = 0; i < 80; i++)
            random_step();
        expect_all();
        memset(allocated, 0, sizeof(allocated));
        allocated_count = page_count = 0;
        free(fake_memory);
    }
}

/* Of several errors the one that paging.h names first; ERROR_NO_FRAMES is the last of them. */
static void errors_in_their_order(void)
{
    static const uint64_t frames[] = {0x40000000, 0x5000, 0x5001, 1ULL << 52, 1ULL << 63 | 1};
    machine_with_root();
    for (size_t i = 0; i < ARRAY_SIZE(corners); i += 3)
        try_map(1, corners[i], 0x5000, RW, UINT64_MAX);
    for (unsigned kind = 1; kind <= 4; kind++)
        for (size_t f = 0; f < ARRAY_SIZE(frames); f++)
            for (size_t w = 0; w <= ARRAY_SIZE(wrong); w++) {
                uint64_t flags = w < ARRAY_SIZE(wrong) ? wrong[w] : PTE_NO_EXECUTE;
                for (size_t i = 0; i < ARRAY_SIZE(corners); i++)
                    try_map(kind, corners[i], frames[f], flags, 0);
                for (size_t i = 0; i < ARRAY_SIZE(wrong_addresses); i++)
                    try_map(kind, wrong_addresses[i], frames[f], flags, 0);
            }
    expect_all();
}

/* Where each address gets its tables from nothing, memory gives out after every possible number. */
static void every_allocation_of_a_mapping_fails(void)
{
    machine_with_root();
    for (size_t i = 0; i < ARRAY_SIZE(corners); i++)
        for (unsigned level = 1; level <= 3; level++) {
            uint64_t size = page_size(level);
            if (expected_of_map(corners[i], size, RW, size) != OK)
                continue;
            for (uint64_t frames = 0; frames < 4 - level; frames++)
                expect_equal(try_map(level, corners[i], size, RW, frames), ERROR_NO_FRAMES);
            expect_equal(try_map(level, corners[i], size, RW, 4 - level), OK);
            expect_all();
            root = empty_table(); /* the old tables stay, so that nothing is shared */
            page_count = 0;
            memset(allocated, 0, sizeof(allocated));
            allocated[frame_number(root)] = true;
            allocated_count = 1;
        }
}

static void tables_made_in_vain_are_not_left_in_the_tlb(void)
{
    machine_with_root();
    expect_equal(try_map(1, 0x400000, 0x5000, RW, 2), ERROR_NO_FRAMES);
    expect_no_freed_table_in_the_tlb();
}

static void every_allocation_of_a_split_fails(void)
{
    machine_with_root();
    expect_equal(try_map(3, 0x40000000, 0x80000000, RW, UINT64_MAX), OK);
    expect_equal(try_unmap(0x40001000, 0), ERROR_NO_FRAMES);
    expect_equal(try_unmap(0x40001000, 1), ERROR_NO_FRAMES);
    expect_all();
    expect_equal(try_protect(0x40001000, PTE_NO_EXECUTE, 0), ERROR_NO_FRAMES);
    expect_all();
    expect_equal(try_protect(0x40001000, PTE_NO_EXECUTE, 1), OK);
    expect_all();
    expect_equal(try_unmap(0x40001000, 0), OK);
    expect_all();
}

/* Tables permit all that the pages below may permit, also those that a split has made. */
static void user_rights_after_a_split(void)
{
    machine_with_root();
    expect_equal(try_map(2, 0x40000000, 0, RW, UINT64_MAX), OK);
    expect_equal(try_protect(0x40000000, PTE_USER | PTE_NO_EXECUTE, UINT64_MAX), OK);
    expect_all();
}

static void a_refused_page_changes_no_table_that_is_there(void)
{
    machine_with_root();
    expect_equal(try_map(2, 0x40000000, 0, RW, UINT64_MAX), OK);
    expect_equal(try_protect(0x40000000, PTE_NO_EXECUTE, UINT64_MAX), OK);
    expect_equal(try_map(1, 0x40000000, 0x5000, RW, UINT64_MAX), ERROR_ALREADY_MAPPED);
    expect_all();
}

static void a_large_page_does_not_reach_the_end_of_the_user_half(void)
{
    machine_with_root();
    expect_equal(try_map(2, 0x7fffffe00000, 0, RW, UINT64_MAX), ERROR_NOT_USER);
    expect_equal(try_map(3, 0x7fffc0000000, 0, RW, UINT64_MAX), ERROR_NOT_USER);
    expect_equal(try_map(2, 0x7fffffc00000, 0, RW, UINT64_MAX), OK);
    expect_equal(try_map(1, 0x7fffffffe000, 0x1000, RW, UINT64_MAX), OK);
    expect_all();
}

/* The level-3 tables of the kernel's half stay: from lab 3 on all address spaces share them. */
static void shared_tables_stay(void)
{
    machine_with_root();
    expect_equal(try_map(1, 0xffffc90000000000, 0x5000, RW, UINT64_MAX), OK);
    expect_equal(try_unmap(0xffffc90000000000, UINT64_MAX), OK);
    expect_equal(allocated_count, 2);
    expect(table_words(root)[402] != 0);
    expect_equal(try_map(1, 0x400000, 0x5000, RW, UINT64_MAX), OK);
    expect_equal(try_unmap(0x400000, UINT64_MAX), OK);
    expect_equal(allocated_count, 2);
    expect_equal(table_words(root)[0], 0);
}

static void one_gigabyte_page_by_page(void)
{
    machine_with_root();
    expect_equal(try_map(3, 0xffff800040000000, 0x40000000, RW, UINT64_MAX), OK);
    expect_equal(try_unmap(0xffff800040000000 + 0x3fe00000, UINT64_MAX), OK);
    expect_all();
    for (uint64_t page = 0xffff800040000000; page < 0xffff800040200000; page += 4096)
        if (!one_in(50))
            expect_equal(try_unmap(page, UINT64_MAX), OK);
    expect_all();
    expect_translation(0xffff80007fffffff);
}

/* ---- The parts by themselves. */

static void tables_are_made_empty(void)
{
    machine_on();
    for (int user = 0; user < 2; user++) {
        uint64_t entry = 0;
        paddr_t table;
        expect_equal(ensure_table_present(&entry, user != 0, &table), OK);
        expect_equal(entry, table.raw | 3 | (user ? 4 : 0));
        const uint64_t *words = table_words(table.raw);
        for (unsigned i = 0; i < 512; i++)
            expect_equal(words[i], 0);
    }
}

static void tables_that_are_there_get_rights_added(void)
{
    machine_on();
    for (unsigned rights = 0; rights < 8; rights++)
        for (int user = 0; user < 2; user++) {
            uint64_t old = 0x5000 | 1 | rights << 1 | 0x20, entry = old;
            if ((entry & PS) != 0)
                continue;
            paddr_t table;
            allocations_left = 0;
            expect_equal(ensure_table_present(&entry, user != 0, &table), OK);
            expect_equal(entry, old | 2 | (user ? 4 : 0));
            expect_equal(table.raw, 0x5000);
        }
}

static void no_table_below_a_page(void)
{
    machine_on();
    uint64_t entry = 0x200000 | PS | 1;
    paddr_t table = paddr(42);
    expect_equal(ensure_table_present(&entry, true, &table), ERROR_LARGE_PAGE);
    expect_equal(entry, 0x200000 | PS | 1);
    allocations_left = 0;
    entry = 0;
    expect_equal(ensure_table_present(&entry, true, &table), ERROR_NO_FRAMES);
    expect_equal(entry, 0);
    expect_equal(table.raw, 42);
    expect_equal(allocated_count, 0);
}

static void splits(void)
{
    machine_on();
    for (int i = 0; i < 100; i++) {
        unsigned level = 2 + (unsigned)below(2);
        uint64_t size = page_size(level), part = size / 512;
        uint64_t frame = below(1ULL << 52) / size * size;
        uint64_t flags = (rng() & (PTE_NO_EXECUTE | 0x17e)) | 1;
        uint64_t entry = frame | flags | PS, old = entry;
        attempt("split %#" PRIx64 " of level %u", old, level);
        allocations_left = 0;
        expect_equal(split_large_page(&entry, level), ERROR_NO_FRAMES);
        expect_equal(entry, old);
        allocations_left = 1;
        expect_equal(split_large_page(&entry, level), OK);
        const uint64_t *words = table_words(entry & FRAME_BITS);
        for (unsigned p = 0; p < 512; p++)
            expect_equal(words[p], (frame + p * part) | flags | (level == 3 ? PS : 0));
        expect((entry & 3) == 3 && (entry & PS) == 0 && entry >> 63 == 0);
        expect((entry & PTE_USER) >= (old & PTE_USER));
        expect_equal(frame_free(paddr(entry & FRAME_BITS)), OK);
    }
}

static uint32_t extended_features;

struct real_cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
    (void)subleaf;
    expect_equal(leaf, 0x80000001);
    return (struct real_cpuid){.edx = extended_features};
}

static void the_processor_says_which_pages_it_has(void)
{
    extended_features = ~(1U << 26);
    expect_equal(largest_page_level(), 2);
    extended_features = 1U << 26;
    expect_equal(largest_page_level(), 3);
}

static void the_window_has_ends(void)
{
    expect_equal(phys_offset(), 0);
    expect(phys_to_virt(paddr(0x1000)) == NULL);
    window_open(WINDOW_BASE);
    expect_equal(phys_offset(), WINDOW_BASE);
    expect((uint64_t)phys_to_virt(paddr(0x1234)) == WINDOW_BASE + 0x1234);
    expect((uint64_t)phys_to_virt(paddr(WINDOW_SIZE - 1)) == WINDOW_BASE + WINDOW_SIZE - 1);
    expect(phys_to_virt(paddr(WINDOW_SIZE)) == NULL);
    expect(phys_to_virt(paddr(UINT64_MAX)) == NULL);
}

MAIN(TEST(random_calls_on_small_pages), TEST(random_calls_on_all_pages),
     TEST(errors_in_their_order), TEST(every_allocation_of_a_mapping_fails),
     TEST(tables_made_in_vain_are_not_left_in_the_tlb), TEST(every_allocation_of_a_split_fails),
     TEST(user_rights_after_a_split), TEST(a_refused_page_changes_no_table_that_is_there),
     TEST(a_large_page_does_not_reach_the_end_of_the_user_half), TEST(shared_tables_stay),
     TEST(one_gigabyte_page_by_page), TEST(tables_are_made_empty),
     TEST(tables_that_are_there_get_rights_added), TEST(no_table_below_a_page), TEST(splits),
     TEST(the_processor_says_which_pages_it_has), TEST(the_window_has_ends))
