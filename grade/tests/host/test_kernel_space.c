/*
 * test_kernel_space.c: the kernel's own address space maps all that kernel_space.h says, with those
 * rights, and nothing else, whatever the memory map.
 */
#define FAKE_FRAMES 400
#include "fake_machine.h"

#include "sections.h"

/* Where the linker script would have put the image: three kinds of page, and two stacks. */
#define text_start ((char *)0xffffffff80101000)
#define text_end ((char *)0xffffffff80106000)
#define rodata_start ((char *)0xffffffff80106000)
#define rodata_end ((char *)0xffffffff80109000)
#define data_start ((char *)0xffffffff80109000)
#define stacks_start ((char *)0xffffffff8010a000)
#define stacks_end ((char *)0xffffffff80114000)
#define data_end ((char *)0xffffffff80118000)
#include "kernel_space.c"
#include "paging.c"
#include "print.h"

#define MIB 0x100000ULL
#define GIB 0x40000000ULL

/* ---- The machine. */

static struct memory_region regions[20];
static size_t region_count;
static uint64_t root_in_use;
static bool has_1gb_pages;

bool bootinfo_region(size_t index, struct memory_region *region)
{
    if (index < region_count)
        *region = regions[index];
    return index < region_count;
}

static void add_region(uint64_t base, uint64_t length, uint32_t type)
{
    expect(region_count < ARRAY_SIZE(regions));
    regions[region_count++] = (struct memory_region){base, length, type};
}

/* Tables are seen where they really are; all else has but an address in the window. */
void *phys_to_virt(paddr_t address)
{
    if (address.raw - FAKE_BASE < FAKE_BYTES)
        return fake_memory + (address.raw - FAKE_BASE);
    return (void *)(WINDOW_BASE + address.raw);
}

void window_open(vaddr_t base)
{
    (void)base;
}

void invlpg(vaddr_t address)
{
    (void)address;
}

void write_cr3(uint64_t value)
{
    root_in_use = value;
}

struct real_cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
    (void)leaf;
    (void)subleaf;
    return (struct real_cpuid){.edx = has_1gb_pages ? 1U << 26 : 0};
}

/* ---- What kernel_space.h says of each page of 4 KiB. */

enum rights { NONE, R, RX, RW };

static bool is_available(uint64_t physical)
{
    for (size_t i = 0; i < region_count; i++)
        if (regions[i].type == 1 && physical >= regions[i].base &&
            physical + 4096 <= (unsigned __int128)regions[i].base + regions[i].length)
            return physical < PHYSICAL_LIMIT;
    return false;
}

static enum rights expected_rights(uint64_t address)
{
    if (address >= 0xffffffff80101000 && address < 0xffffffff80106000)
        return RX;
    if (address >= 0xffffffff80106000 && address < 0xffffffff80109000)
        return R;
    if (address == 0xffffffff8010a000 || address == 0xffffffff8010f000)
        return NONE; /* the guards */
    if (address >= 0xffffffff80109000 && address < 0xffffffff80118000)
        return RW;
    uint64_t physical = address - 0xffff800000000000;
    if (physical >= PHYSICAL_LIMIT || !is_available(physical))
        return NONE;
    return physical >= 0x101000 && physical < 0x109000 ? R : RW;
}

static void expect_page(uint64_t address)
{
    struct view view = mmu(kernel_root.raw, address);
    enum rights rights = expected_rights(address);
    attempt("%zu regions, page at %#" PRIx64, region_count, address);
    expect_equal(view.present, rights != NONE);
    if (!view.present)
        return;
    expect_equal(view.executable, rights == RX);
    expect_equal(view.writable, rights == RW);
    expect(!view.user);
    uint64_t base = address >= KERNEL_BASE ? KERNEL_BASE : 0xffff800000000000;
    expect_equal(view.physical, address - base);
}

/* Every page that the tables map: of a large one the first 4 KiB, the last, and some. */
static void expect_table(uint64_t table, unsigned level, uint64_t base)
{
    uint64_t span = 4096ULL << 9 * (level - 1);
    for (unsigned i = 0; i < 512; i++) {
        uint64_t entry = table_words(table)[i], address = base + i * span;
        if (level == 4 && i >= 256)
            address |= 0xffff000000000000;
        if ((entry & 1) == 0)
            continue;
        if (level > 1 && (entry & PS) == 0) {
            expect_table(entry & FRAME_BITS, level - 1, address);
            continue;
        }
        expect_page(address);
        expect_page(address + span - 4096);
        expect_page(address + below(span / 4096) * 4096);
    }
}

/* And what should be mapped is: the edges of each region, and some of its middle. */
static void expect_space(void)
{
    expect_equal(kernel_space_init(), OK);
    expect_equal(root_in_use, kernel_root.raw);
    expect_table(kernel_root.raw, 4, 0);
    for (uint64_t address = 0xffffffff80000000; address < 0xffffffff80200000; address += 4096)
        expect_page(address);
    for (uint64_t physical = 0; physical < 4 * MIB; physical += 4096)
        expect_page(0xffff800000000000 + physical);
    for (size_t i = 0; i < region_count; i++) {
        uint64_t end = regions[i].base + regions[i].length;
        for (int n = 0; n < 300; n++) {
            uint64_t near = one_in(3) ? regions[i].base : one_in(2) ? end : below(64 * GIB);
            near = (near & ~0xfffULL) + below(8) * 4096 - 4 * 4096;
            if (near < PHYSICAL_LIMIT)
                expect_page(0xffff800000000000 + near);
        }
    }
}

static void pc(uint64_t memory)
{
    machine_on();
    add_region(0, 0x9fc00, 1);
    add_region(0x9fc00, 0x400, 2);
    add_region(0xf0000, 0x10000, 2);
    add_region(MIB, memory - MIB - 0x20000, 1);
    add_region(memory - 0x20000, 0x20000, 2);
}

/* ---- Tests. */

static void a_pc(void)
{
    pc(64 * MIB);
    expect_space();
}

static void sixty_four_gigabytes_in_large_pages(void)
{
    has_1gb_pages = true;
    pc(3 * GIB);
    add_region(4 * GIB, 60 * GIB, 1);
    expect_space();
    expect_equal(mmu(kernel_root.raw, 0xffff800000000000 + 5 * GIB).size, GIB);
    expect_equal(mmu(kernel_root.raw, 0xffff800000000000 + GIB).size, GIB);
    expect_equal(mmu(kernel_root.raw, 0xffff800000000000 + 2 * MIB).size, 2 * MIB);
}

static void four_gigabytes_without_huge_pages(void)
{
    pc(3 * GIB);
    add_region(4 * GIB, GIB, 1);
    expect_space();
    expect_equal(mmu(kernel_root.raw, 0xffff800000000000 + 4 * GIB).size, 2 * MIB);
}

static void regions_that_overlap(void)
{
    has_1gb_pages = true;
    pc(64 * MIB);
    add_region(0x1000, 8 * MIB, 1);
    add_region(0x201000, 0x5000, 1);
    add_region(GIB + 0x3800, 4 * MIB, 1);
    add_region(GIB, GIB, 1);
    add_region(GIB - 0x2800, 0x5000, 1);
    expect_space();
}

static void regions_that_end_nowhere(void)
{
    pc(64 * MIB);
    add_region(PHYSICAL_LIMIT - 0x3000, UINT64_MAX, 1);
    add_region(PHYSICAL_LIMIT, 0x100000, 1);
    add_region(PHYSICAL_LIMIT + 0x200000, 0x100000, 1);
    add_region(UINT64_MAX - 0xfff, 0x2000, 1);
    add_region(80 * MIB + 0x100, 0xf00, 1);
    add_region(80 * MIB + 0x1100, 0, 1);
    expect_space();
}

static void without_memory_for_the_tables(void)
{
    pc(64 * MIB);
    uint64_t frames = 0;
    for (error_t error = ERROR_NO_FRAMES; error != OK; frames++) {
        attempt("%" PRIu64 " frames", frames);
        allocations_left = frames;
        error = kernel_space_init();
        expect_equal(error, error == OK ? OK : ERROR_NO_FRAMES);
        expect_equal(root_in_use != 0, error == OK);
        memset(allocated, 0, sizeof(allocated));
        allocated_count = 0;
    }
    expect(frames > 8);
}

MAIN(TEST(a_pc), TEST(sixty_four_gigabytes_in_large_pages), TEST(four_gigabytes_without_huge_pages),
     TEST(regions_that_overlap), TEST(regions_that_end_nowhere),
     TEST(without_memory_for_the_tables))
