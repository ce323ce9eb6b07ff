/* test_multiboot2.c: the parser accepts what a loader may write, and refuses the rest by name. */
#include "boot_block.h"
#include "rung_string.h"

#include "multiboot2.c"

static struct block block;

static error_t check(void)
{
    void *info = exact_copy(block.bytes, block.size);
    error_t error = multiboot2_check(info, block.size);
    free(info);
    return error;
}

/* Between a beginning and an end with a memory map, so that all the rest is in order. */
#define WITH_TAG(code)                                                                             \
    do {                                                                                           \
        block_begin(&block);                                                                       \
        code;                                                                                      \
        block_map(&block, 24, 1);                                                                  \
        block_end(&block);                                                                         \
    } while (0)

static void no_tag(void) {}

static void smallest(void)
{
    WITH_TAG(no_tag());
    expect_equal(check(), OK);
}

static void alignment(void)
{
    WITH_TAG(no_tag());
    char *memory = room(block.size + 8);
    for (size_t offset = 0; offset < 8; offset++) {
        attempt("offset %zu", offset);
        memcpy(memory + offset, block.bytes, block.size);
        error_t error = multiboot2_check((void *)(memory + offset), block.size);
        expect_equal(error, offset == 0 ? OK : ERROR_BOOT_INFO_ALIGNMENT);
    }
    free(memory);
}

static void total_size(void)
{
    for (uint32_t size = 0; size < 8; size++) {
        WITH_TAG(attempt("total size %u", size));
        put_u32(&block, 0, size);
        expect_equal(check(), ERROR_BOOT_INFO_SIZE);
    }
    WITH_TAG(attempt("total size beyond the limit"));
    put_u32(&block, 0, block.size + 1);
    expect_equal(check(), ERROR_BOOT_INFO_SIZE);
    put_u32(&block, 0, UINT32_MAX);
    expect_equal(check(), ERROR_BOOT_INFO_SIZE);
    WITH_TAG(attempt("bytes behind the end tag"));
    append_number(&block, 0, 5);
    block_total(&block);
    expect_equal(check(), OK);
}

static void limit_without_room_for_the_size(void)
{
    for (size_t limit = 0; limit < 8; limit++) {
        void *nothing = room(limit);
        memset(nothing, 0, limit);
        expect_equal(multiboot2_check(nothing, limit), ERROR_BOOT_INFO_SIZE);
        free(nothing);
    }
}

/* Whatever is cut off, what remains is no valid block, and nothing is read behind it. */
static void every_truncation(void)
{
    block_begin(&block);
    block_text(&block, 1, "a command line");
    block_module(&block, 0x1000, 0x2000, "a module");
    block_map(&block, 24, 3);
    block_end(&block);
    for (size_t whole = block.size; block.size > 0; block.size--) {
        attempt("the first %zu of %zu bytes", block.size, whole);
        if (block.size >= 4)
            block_total(&block);
        expect((check() == OK) == (block.size == whole));
    }
}

static void no_end(void)
{
    for (size_t rest = 0; rest < 8; rest++) {
        attempt("%zu bytes where the end tag should be", rest);
        block_begin(&block);
        block_map(&block, 24, 1);
        append_number(&block, 0, rest);
        block_total(&block);
        expect_equal(check(), ERROR_BOOT_INFO_NO_END);
    }
    attempt("no end tag, and the last tag needs padding that is not there");
    block_begin(&block);
    block_map(&block, 24, 1);
    block_text(&block, 1, "odd");
    block_total(&block);
    expect_equal(check(), ERROR_BOOT_INFO_NO_END);
}

static void tag_sizes(void)
{
    static const uint32_t types[] = {0, 1, 2, 3, 6, 99};
    static const uint32_t sizes[] = {0, 1, 7, 0x7fffffff, 0x80000000, 0xfffffff8, 0xffffffff};
    for (size_t t = 0; t < ARRAY_SIZE(types); t++)
        for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
            attempt("tag of type %u with size %#x", types[t], sizes[s]);
            size_t tag;
            WITH_TAG(tag = tag_begin(&block, types[t]));
            put_u32(&block, tag + 4, sizes[s]);
            expect_equal(check(), ERROR_BOOT_INFO_TAG);
        }
    for (size_t more = 0; more < 3; more++) {
        attempt("end tag that is %zu bytes too long", more);
        WITH_TAG(no_tag());
        put_u32(&block, block.size - 4, 8 + more);
        expect_equal(check(), more == 0 ? OK : ERROR_BOOT_INFO_TAG);
    }
}

static void texts_without_end(void)
{
    for (uint32_t type = 1; type <= 3; type++)
        for (size_t length = 0; length < 20; length++) {
            attempt("type %u, %zu bytes without a zero", type, length);
            size_t tag;
            WITH_TAG(tag = tag_begin(&block, type);
                     append(&block, "\1\0\0\0\2\0\0\0", type == 3 ? 8 : 0);
                     append(&block, "abcdefghijklmnopqrst", length); tag_end(&block, tag));
            expect_equal(check(), ERROR_BOOT_INFO_STRING);
        }
    for (size_t size = 0; size < 8; size++) {
        attempt("module of %zu bytes", 8 + size);
        size_t tag;
        WITH_TAG(tag = tag_begin(&block, 3); append(&block, "\0\0\0\0\0\0\0", size);
                 tag_end(&block, tag));
        expect_equal(check(), ERROR_BOOT_INFO_STRING);
    }
}

static void text_without_end_as_the_last_there_is(void)
{
    for (size_t length = 0; length < 20; length++) {
        attempt("%zu bytes without a zero, and nothing behind", length);
        block_begin(&block);
        size_t tag = tag_begin(&block, 1);
        append(&block, "abcdefghijklmnopqrst", length);
        tag_end(&block, tag);
        block_total(&block);
        expect_equal(check(), ERROR_BOOT_INFO_STRING);
    }
}

static void module_that_ends_before_it_starts(void)
{
    WITH_TAG(block_module(&block, 0x2000, 0x2000, ""));
    expect_equal(check(), OK);
    WITH_TAG(block_module(&block, 0x2000, 0x1fff, ""));
    expect_equal(check(), ERROR_BOOT_INFO_TAG);
    WITH_TAG(block_module(&block, 0, UINT32_MAX, ""));
    expect_equal(check(), OK);
}

static void entry_sizes(void)
{
    for (uint32_t entry_size = 0; entry_size < 64; entry_size++) {
        attempt("entry_size %u", entry_size);
        WITH_TAG(block_map(&block, entry_size, 2));
        bool right = entry_size >= 24 && entry_size % 8 == 0;
        expect_equal(check(), right ? OK : ERROR_BOOT_INFO_TAG);
    }
    for (size_t size = 8; size < 16; size++) {
        attempt("memory map of %zu bytes", size);
        size_t tag;
        WITH_TAG(tag = tag_begin(&block, 6); append_number(&block, 24, size - 8);
                 tag_end(&block, tag));
        expect_equal(check(), ERROR_BOOT_INFO_TAG);
    }
}

static void no_memory_map(void)
{
    block_begin(&block);
    block_text(&block, 1, "");
    block_end(&block);
    expect_equal(check(), ERROR_BOOT_INFO_NO_MEMORY_MAP);
    attempt("the only memory map lies behind the end tag");
    block_begin(&block);
    block_end(&block);
    block_map(&block, 24, 1);
    block_end(&block);
    expect_equal(check(), ERROR_BOOT_INFO_NO_MEMORY_MAP);
}

/* ---- Reading a block that is right. */

static struct multiboot2_info *checked(void)
{
    struct multiboot2_info *info = exact_copy(block.bytes, block.size);
    expect_equal(multiboot2_check(info, block.size), OK);
    return info;
}

static void expect_regions(const struct multiboot2_info *info, size_t count)
{
    struct memory_region region;
    for (size_t i = 0; i < count; i++) {
        expect(multiboot2_region(info, i, &region));
        expect_equal(region.base, 0x1000 * i);
        expect_equal(region.length, 0x100 + i);
        expect_equal(region.type, 1 + i % 5);
    }
    expect(!multiboot2_region(info, count, &region));
    expect(!multiboot2_region(info, count + 1, &region));
    expect(!multiboot2_region(info, SIZE_MAX, &region));
    expect(!multiboot2_region(info, SIZE_MAX / 24 + 2, &region)); /* index * 24 wraps round */
}

static void regions_of_any_entry_size(void)
{
    for (uint32_t entry_size = 24; entry_size <= 56; entry_size += 8)
        for (size_t count = 0; count < 40; count++) {
            attempt("%zu entries of %u bytes", count, entry_size);
            WITH_TAG(block_map(&block, entry_size, count));
            struct multiboot2_info *info = checked();
            expect_regions(info, count);
            free(info);
        }
}

static void entries_that_the_tag_has_not_whole(void)
{
    for (size_t missing = 1; missing < 32; missing++) {
        attempt("the last entry lacks %zu of 32 bytes", missing);
        size_t tag = 0;
        block_begin(&block);
        tag = block_map(&block, 32, 3);
        block.size -= missing;
        tag_end(&block, tag);
        block_end(&block);
        struct multiboot2_info *info = checked();
        expect_regions(info, 2);
        free(info);
    }
}

static void the_first_memory_map_counts(void)
{
    block_begin(&block);
    block_map(&block, 40, 5);
    block_map(&block, 24, 9);
    block_end(&block);
    struct multiboot2_info *info = checked();
    expect_regions(info, 5);
    free(info);
}

/* Texts of all lengths make padding of all lengths, and loaders add tags that nobody knows. */
static void modules_among_strangers(void)
{
    static const char text[] = "0123456789abcdefghijklmnopqrstuv";
    for (size_t modules = 0; modules < 20; modules++) {
        attempt("%zu modules", modules);
        block_begin(&block);
        block_text(&block, 2, "a loader");
        block_map(&block, 24, 7);
        for (size_t i = 0; i < modules; i++) {
            block_module(&block, (uint32_t)(i << 20), (uint32_t)(i << 20) + 5, text + i);
            size_t tag = tag_begin(&block, (uint32_t)(20 + i));
            append(&block, text, i);
            tag_end(&block, tag);
        }
        block_text(&block, 1, "a line");
        block_end(&block);

        struct multiboot2_info *info = checked();
        expect_regions(info, 7);
        for (size_t i = 0; i < modules; i++) {
            const struct multiboot2_tag_module *module =
                (const void *)multiboot2_find(info, MULTIBOOT2_TAG_MODULE, i);
            expect(module != NULL);
            expect_equal(module->start, i << 20);
            expect_equal(module->end, (i << 20) + 5);
            expect_text(module->text, text + i);
        }
        expect(multiboot2_find(info, MULTIBOOT2_TAG_MODULE, modules) == NULL);
        expect(multiboot2_find(info, MULTIBOOT2_TAG_MODULE, SIZE_MAX) == NULL);
        const struct multiboot2_tag_string *line =
            (const void *)multiboot2_find(info, MULTIBOOT2_TAG_COMMAND_LINE, 0);
        expect_text(line->text, "a line");
        expect(multiboot2_find(info, MULTIBOOT2_TAG_COMMAND_LINE, 1) == NULL);
        expect(multiboot2_find(info, 19, 0) == NULL);
        expect(multiboot2_find(info, MULTIBOOT2_TAG_END, 0) == NULL);
        free(info);
    }
}

static void what_lies_behind_the_end_is_not_found(void)
{
    WITH_TAG(no_tag());
    block_text(&block, 1, "too late");
    block_end(&block);
    struct multiboot2_info *info = checked();
    expect(multiboot2_find(info, MULTIBOOT2_TAG_COMMAND_LINE, 0) == NULL);
    free(info);
}

MAIN(TEST(smallest), TEST(alignment), TEST(total_size), TEST(limit_without_room_for_the_size),
     TEST(every_truncation), TEST(no_end), TEST(tag_sizes), TEST(texts_without_end),
     TEST(text_without_end_as_the_last_there_is), TEST(module_that_ends_before_it_starts),
     TEST(entry_sizes), TEST(no_memory_map), TEST(regions_of_any_entry_size),
     TEST(entries_that_the_tag_has_not_whole), TEST(the_first_memory_map_counts),
     TEST(modules_among_strangers), TEST(what_lies_behind_the_end_is_not_found))
