/* test_bootinfo.c: what the kernel keeps of the boot information; after an error it is nothing. */
#include "boot_block.h"
#include "rung_string.h"

#include "types.h"

/* The window on physical memory, where bootinfo.c looks: a few bytes at its two ends are enough. */
static char *window;
#undef WINDOW_BASE
#define WINDOW_BASE ((uintptr_t)window)

#include "multiboot2.c"
#include "bootinfo.c"
#include "print.c"

static struct block block;
static char console[2000];

void serial_putc(char c)
{
    size_t length = strlen(console);
    expect(length + 1 < sizeof(console));
    console[length] = c;
}

/* Hand the block over as if it lay at the physical address `at`, in memory of exactly its size. */
static error_t hand_over(uint64_t at)
{
    window = (char *)((uintptr_t)exact_copy(block.bytes, block.size) - at);
    return bootinfo_init(paddr(at));
}

static void expect_nothing(void)
{
    paddr_t start = paddr(1);
    uint64_t size = 1;
    struct memory_region region;
    struct boot_module module;
    expect(!bootinfo_range(&start, &size));
    expect_equal(start.raw, 0);
    expect_equal(size, 0);
    expect_text(bootinfo_command_line(), "");
    expect(!bootinfo_region(0, &region));
    expect(!bootinfo_module(0, &module));
}

static void nothing_before_it_is_taken_over(void)
{
    expect_nothing();
}

static void no_information(void)
{
    static const uint64_t addresses[] = {0, 0x100000000, 0x100000008, UINT64_MAX - 7};
    block_begin(&block);
    block_map(&block, 24, 1);
    block_end(&block);
    for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
        attempt("information at %#" PRIx64, addresses[i]);
        expect_equal(bootinfo_init(paddr(addresses[i])), ERROR_BOOT_INFO_MISSING);
        expect_nothing();
    }
}

static void wrong_information(void)
{
    block_begin(&block);
    block_end(&block);
    expect_equal(hand_over(0x7000), ERROR_BOOT_INFO_NO_MEMORY_MAP);
    expect_nothing();
}

static void it_must_lie_in_the_window_as_a_whole(void)
{
    block_begin(&block);
    block_map(&block, 24, 1);
    block_end(&block);
    attempt("a block whose last bytes lie above 4 GiB");
    expect_equal(hand_over(0x100000000 - block.size + 8), ERROR_BOOT_INFO_SIZE);
    expect_nothing();
    attempt("a block that ends at 4 GiB");
    expect_equal(hand_over(0x100000000 - block.size), OK);
}

static void all_of_it(void)
{
    block_begin(&block);
    block_text(&block, 1, "nonce=17 quiet");
    block_module(&block, 0x200000, 0x200123, "first a b");
    block_map(&block, 32, 6);
    block_module(&block, 0x300000, 0x300000, "");
    block_end(&block);
    expect_equal(hand_over(0x12340), OK);

    paddr_t start;
    uint64_t size;
    expect(bootinfo_range(&start, &size));
    expect_equal(start.raw, 0x12340);
    expect_equal(size, block.size);
    expect_text(bootinfo_command_line(), "nonce=17 quiet");

    struct memory_region region;
    expect(bootinfo_region(5, &region) && !bootinfo_region(6, &region));
    expect_equal(region.base, 0x5000);
    expect_equal(region.length, 0x105);
    expect_equal(region.type, 1);

    struct boot_module module;
    expect(bootinfo_module(0, &module));
    expect_equal(module.start, 0x200000);
    expect_equal(module.end, 0x200123);
    expect_text(module.command_line, "first a b");
    expect(bootinfo_module(1, &module) && !bootinfo_module(2, &module));
    expect_equal(module.start, 0x300000);
    expect_text(module.command_line, "");
}

static void printed(void)
{
    block_begin(&block);
    block_text(&block, 1, "a line");
    block_map(&block, 24, 5);
    size_t strange = block_map(&block, 24, 1);
    put_u32(&block, strange, 99); /* no second map */
    block_module(&block, 0x200000, 0x200123, "a module");
    block_end(&block);
    put_u32(&block, 8 + 16 + 16 + 4 * 24 + 16, UINT32_MAX); /* the last entry's type */
    expect_equal(hand_over(0x1000), OK);
    bootinfo_print();
    expect_text(console, "command line: a line\n"
                         "memory: 0000000000000000 +          100  available\n"
                         "memory: 0000000000001000 +          101  reserved\n"
                         "memory: 0000000000002000 +          102  ACPI tables\n"
                         "memory: 0000000000003000 +          103  ACPI NVS\n"
                         "memory: 0000000000004000 +          104  unknown\n"
                         "module: 0000000000200000 - 0000000000200123  a module\n");
}

MAIN(TEST(nothing_before_it_is_taken_over), TEST(no_information), TEST(wrong_information),
     TEST(it_must_lie_in_the_window_as_a_whole), TEST(all_of_it), TEST(printed))
