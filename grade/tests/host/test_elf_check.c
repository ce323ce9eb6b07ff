/* test_elf_check.c: each rule for program files, at its limits. */
#include "elf_file.h"

#include "elf_check.c"

#define BASE 0x400000
#define LIMIT (USER_STACK_LIMIT - PAGE_SIZE) /* programs end below the stack's guard page */

static struct elf_file file;

static error_t check(void)
{
    void *copy = exact_file(&file);
    error_t error = elf_check(copy, file.size);
    free(copy);
    return error;
}

/* Code, constants, data with BSS: 0x1000 bytes of file. */
static void good_file(void)
{
    file_begin(&file, BASE + 0x123);
    file_segment(&file, LOAD, READ | EXECUTE, BASE + 0x100, 0x100, 0x300, 0x300);
    file_segment(&file, LOAD, READ, BASE + 0x1400, 0x400, 0x400, 0x400);
    file_segment(&file, LOAD, READ | WRITE, BASE + 0x2800, 0x800, 0x800, 0x5000);
    file.size = 0x1000;
}

static void expect_field(unsigned segment, size_t field, uint64_t value, error_t error)
{
    attempt("segment %u, the field at %zu is %#" PRIx64, segment, field, value);
    good_file();
    put_field(&file, segment, field, value);
    expect_equal(check(), error);
}

static void expect_header(size_t at, size_t bytes, uint64_t value, error_t error)
{
    attempt("the header's field at %zu is %#" PRIx64, at, value);
    good_file();
    put_number(&file, at, value, bytes);
    expect_equal(check(), error);
}

static void a_good_file(void)
{
    good_file();
    expect_equal(check(), OK);
}

/* Whatever is cut off is missed, by the last segment if by nobody else. */
static void every_truncation(void)
{
    good_file();
    for (size_t whole = file.size; file.size-- > 0;) {
        attempt("the first %zu of %zu bytes", file.size, whole);
        expect_equal(check(), ERROR_ELF_TRUNCATED);
    }
}

static void header_fields(void)
{
    for (size_t at = 0; at < 4; at++)
        expect_header(AT_MAGIC + at, 1, 0, ERROR_ELF_MAGIC);
    expect_header(AT_CLASS, 1, 1, ERROR_ELF_CLASS);
    expect_header(AT_DATA, 1, 2, ERROR_ELF_CLASS);
    expect_header(AT_IDENT_VERSION, 1, 0, ERROR_ELF_CLASS);
    expect_header(AT_VERSION, 4, 2, ERROR_ELF_CLASS);
    expect_header(AT_TYPE, 2, 1, ERROR_ELF_TYPE);
    expect_header(AT_TYPE, 2, 3, ERROR_ELF_TYPE);
    expect_header(AT_MACHINE, 2, 3, ERROR_ELF_MACHINE);
    expect_header(AT_HEADER_SIZE, 2, 63, ERROR_ELF_HEADER);
    expect_header(AT_PROGRAM_HEADER_SIZE, 2, 57, ERROR_ELF_HEADER);
    expect_header(AT_PROGRAM_HEADER_SIZE, 2, 0, ERROR_ELF_HEADER);
}

static void place_of_the_program_headers(void)
{
    for (uint64_t odd = 1; odd < 8; odd++)
        expect_header(AT_HEADERS, 8, HEADER + odd, ERROR_ELF_HEADER);
    static const uint64_t outside[] = {0x1000 - 3 * PROGRAM_HEADER + 8, 0x1000, 1ULL << 63,
                                       UINT64_MAX - 7, UINT64_MAX - 3 * PROGRAM_HEADER + 1};
    for (size_t i = 0; i < ARRAY_SIZE(outside); i++)
        expect_header(AT_HEADERS, 8, outside[i] & ~7ULL, ERROR_ELF_TRUNCATED);
    expect_header(AT_COUNT, 2, 1170, ERROR_ELF_TRUNCATED);
    expect_header(AT_COUNT, 2, 1171, ERROR_ELF_HEADER); /* more than 64 KiB */
    expect_header(AT_COUNT, 2, 0xffff, ERROR_ELF_HEADER);
    expect_header(AT_COUNT, 2, 0, ERROR_ELF_NO_SEGMENT);
}

static void what_lies_in_the_file(void)
{
    expect_field(2, P_FILE, 0x801, ERROR_ELF_TRUNCATED);
    expect_field(2, P_FILE, UINT64_MAX, ERROR_ELF_TRUNCATED);
    expect_field(2, P_FILE, -0x800ULL, ERROR_ELF_TRUNCATED); /* the sum is 0 */
    expect_field(2, P_OFFSET, 0x1800, ERROR_ELF_TRUNCATED);
    expect_field(2, P_OFFSET, -0x800ULL, ERROR_ELF_TRUNCATED);
    expect_field(2, P_FILE, 0, OK);
    expect_field(0, P_MEMORY, 0x2ff, ERROR_ELF_SIZE);
    expect_field(2, P_MEMORY, 0, ERROR_ELF_SIZE);
    expect_field(0, P_MEMORY, 0x301, OK);
    for (uint64_t shift = 1; shift < PAGE_SIZE; shift += 0x7b)
        expect_field(2, P_ADDRESS, BASE + 0x2800 + shift, ERROR_ELF_ALIGNMENT);
    expect_field(2, P_ADDRESS, BASE + 0x7800, OK);
}

static void memory_of_programs(void)
{
    uint64_t room = LIMIT - (BASE + 0x2800);
    expect_field(2, P_MEMORY, room, OK);
    static const uint64_t more[] = {1, PAGE_SIZE, 1ULL << 47, 1ULL << 62};
    for (size_t i = 0; i < ARRAY_SIZE(more); i++)
        expect_field(2, P_MEMORY, room + more[i], ERROR_ELF_RANGE);
    expect_field(2, P_MEMORY, UINT64_MAX, ERROR_ELF_RANGE);
    expect_field(2, P_MEMORY, -(uint64_t)(BASE + 0x2800), ERROR_ELF_RANGE); /* ends at 0 */
    expect_field(2, P_ADDRESS, 0x800, ERROR_ELF_RANGE);
    expect_field(2, P_ADDRESS, LIMIT - 0x5000 + 0x800, ERROR_ELF_RANGE);
    expect_field(2, P_ADDRESS, LIMIT - 0x6000 + 0x800, OK);
    expect_field(2, P_ADDRESS, USER_STACK_TOP - 0x800, ERROR_ELF_RANGE);
    expect_field(2, P_ADDRESS, (1ULL << 47) + 0x800, ERROR_ELF_RANGE);
    expect_field(2, P_ADDRESS, KERNEL_BASE + 0x800, ERROR_ELF_RANGE);
    expect_field(2, P_ADDRESS, UINT64_MAX - 0x7ff, ERROR_ELF_RANGE);
}

static void segments_together(void)
{
    expect_field(1, P_MEMORY, 0xc00, OK); /* up to the end of its page */
    expect_field(1, P_MEMORY, 0xc01, ERROR_ELF_ORDER);
    expect_field(2, P_ADDRESS, BASE + 0x1800, ERROR_ELF_ORDER);
    expect_field(2, P_ADDRESS, BASE - 0x1000 + 0x800, ERROR_ELF_ORDER);
    expect_field(0, P_MEMORY, 0x100000, ERROR_ELF_ORDER);
    expect_field(2, P_FLAGS, WRITE | EXECUTE, ERROR_ELF_WRITE_EXECUTE);
    expect_field(0, P_FLAGS, READ | WRITE | EXECUTE, ERROR_ELF_WRITE_EXECUTE);
    expect_field(0, P_FLAGS, EXECUTE, OK);
}

static void entry_in_executable_segment(void)
{
    expect_header(AT_ENTRY, 8, BASE + 0x100, OK);
    expect_header(AT_ENTRY, 8, BASE + 0x3ff, OK);
    static const uint64_t wrong[] = {0,
                                     BASE + 0xff,
                                     BASE + 0x400,
                                     BASE + 0x1500,
                                     BASE + 0x2800,
                                     KERNEL_BASE,
                                     UINT64_MAX,
                                     (1ULL << 47) + BASE + 0x100};
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        expect_header(AT_ENTRY, 8, wrong[i], ERROR_ELF_ENTRY);
    expect_field(0, P_FLAGS, READ, ERROR_ELF_ENTRY);
}

static void kinds_of_segments(void)
{
    expect_field(1, P_TYPE, INTERPRETER, ERROR_ELF_INTERPRETER);
    expect_field(1, P_TYPE, DYNAMIC, ERROR_ELF_INTERPRETER);
    expect_field(1, P_TYPE, NOTE, OK);
    expect_field(1, P_TYPE, 0x6474e551, OK); /* PT_GNU_STACK */
    good_file();
    put_field(&file, 2, P_FILE, 0); /* .bss alone: where it would be in the file does not count */
    put_field(&file, 2, P_OFFSET, (1ULL << 40) + 0x800);
    expect_equal(check(), OK);
    good_file();
    put_field(&file, 1, P_TYPE, 0x6474e551);
    put_field(&file, 1, P_FLAGS, READ | WRITE | EXECUTE);
    expect_equal(check(), ERROR_ELF_WRITE_EXECUTE);
    good_file();
    for (unsigned i = 0; i < 3; i++)
        put_field(&file, i, P_TYPE, NOTE);
    expect_equal(check(), ERROR_ELF_NO_SEGMENT);
}

/* elf_segment counts only what is to be loaded. */
static void segments_by_index(void)
{
    file_begin(&file, BASE);
    file_segment(&file, NOTE, READ, 5, 5, 5, 5);
    file_segment(&file, LOAD, READ | EXECUTE, BASE, 0, 0, 10);
    file_segment(&file, LOAD, READ | WRITE | EXECUTE, 7, 7, 0, 0);
    file_segment(&file, LOAD, READ, BASE + 0x1000, 0, 0, 20);
    expect_equal(check(), OK);
    void *copy = exact_file(&file);
    expect_equal(elf_segment(copy, 0)->memory_size, 10);
    expect_equal(elf_segment(copy, 1)->memory_size, 20);
    expect(elf_segment(copy, 2) == NULL);
    expect(elf_segment(copy, UINT32_MAX) == NULL);
    free(copy);
}

MAIN(TEST(a_good_file), TEST(every_truncation), TEST(header_fields),
     TEST(place_of_the_program_headers), TEST(what_lies_in_the_file), TEST(memory_of_programs),
     TEST(segments_together), TEST(entry_in_executable_segment), TEST(kinds_of_segments),
     TEST(segments_by_index))
