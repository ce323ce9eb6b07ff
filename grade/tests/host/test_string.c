/* test_string.c: the kernel's memory and text functions do what libc's do. */
#include "host.h"

/* libc's own, before their names become those of the kernel's. */
static void *(*const libc_memcpy)(void *, const void *, size_t) = memcpy;
static void *(*const libc_memmove)(void *, const void *, size_t) = memmove;
static void *(*const libc_memset)(void *, int, size_t) = memset;
static int (*const libc_memcmp)(const void *, const void *, size_t) = memcmp;
static size_t (*const libc_strlen)(const char *) = strlen;
static size_t (*const libc_strnlen)(const char *, size_t) = strnlen;
static int (*const libc_strcmp)(const char *, const char *) = strcmp;
static int (*const libc_strncmp)(const char *, const char *, size_t) = strncmp;

#include "rung_string.h"

#define ROOM 4096 /* more than any length here */
#define RFLAGS_DF 0x400

static uint8_t seen[ROOM], expected[ROOM];

/* The kernel's functions are assembly that ASan cannot see into: look at every byte around. */
static void start_equal(void)
{
    for (size_t i = 0; i < ROOM; i++)
        seen[i] = expected[i] = (uint8_t)rng();
}

static void end_equal(void)
{
    expect(libc_memcmp(seen, expected, ROOM) == 0);
}

static void move(size_t to, size_t from, size_t bytes)
{
    attempt("memmove(+%zu, +%zu, %zu)", to, from, bytes);
    expect(memmove(seen + to, seen + from, bytes) == seen + to);
    libc_memmove(expected + to, expected + from, bytes);
    expect((__builtin_ia32_readeflags_u64() & RFLAGS_DF) == 0);
}

static void memmove_with_every_overlap(void)
{
    start_equal();
    for (size_t to = 0; to < 24; to++)
        for (size_t from = 0; from < 24; from++)
            for (size_t bytes = 0; bytes < 24; bytes++) {
                move(to, from, bytes);
                expect(libc_memcmp(seen, expected, 64) == 0);
            }
    end_equal();
}

static void memmove_of_large_blocks(void)
{
    start_equal();
    for (int i = 0; i < 1000; i++) {
        size_t bytes = below(ROOM);
        move(below(ROOM - bytes), below(ROOM - bytes), bytes);
        end_equal();
    }
}

static void memcpy_copies(void)
{
    start_equal();
    for (int i = 0; i < 1000; i++) {
        size_t bytes = below(ROOM / 2), from = below(ROOM / 2 - bytes);
        size_t to = ROOM / 2 + below(ROOM / 2 - bytes);
        attempt("memcpy(+%zu, +%zu, %zu)", to, from, bytes);
        expect(memcpy(seen + to, seen + from, bytes) == seen + to);
        libc_memcpy(expected + to, expected + from, bytes);
        end_equal();
    }
}

static void memset_takes_one_byte_of_the_int(void)
{
    start_equal();
    for (int i = 0; i < 1000; i++) {
        size_t bytes = below(ROOM), to = below(ROOM - bytes);
        int byte = (int)rng();
        attempt("memset(+%zu, %#x, %zu)", to, (unsigned)byte, bytes);
        expect(memset(seen + to, byte, bytes) == seen + to);
        libc_memset(expected + to, byte, bytes);
        end_equal();
    }
}

static int sign(int number)
{
    return (number > 0) - (number < 0);
}

/* A text of `length` bytes, with or without a zero, and no more: ASan sees a byte too far. */
static char *exact_text(size_t length, bool ends)
{
    static const char letters[] = {'a', 'b', '\x7f', '\x80', '\xff'};
    char *text = room(length + ends);
    for (size_t i = 0; i < length; i++)
        text[i] = PICK(letters);
    if (ends)
        text[length] = '\0';
    return text;
}

static void memcmp_has_the_sign_of_unsigned_bytes(void)
{
    for (int i = 0; i < 20000; i++) {
        size_t bytes = below(20);
        char *a = exact_text(bytes, false), *b = exact_text(bytes, false);
        libc_memcpy(a, b, below(bytes + 1));
        expect_equal(sign(memcmp(a, b, bytes)), sign(libc_memcmp(a, b, bytes)));
        free(a);
        free(b);
    }
}

static void lengths(void)
{
    for (size_t length = 0; length < 40; length++) {
        char *text = exact_text(length, true), *endless = exact_text(length, false);
        expect_equal(strlen(text), libc_strlen(text));
        for (size_t limit = 0; limit < 50; limit++)
            expect_equal(strnlen(text, limit), libc_strnlen(text, limit));
        expect_equal(strnlen(text, SIZE_MAX), length);
        expect_equal(strnlen(endless, length), length);
        free(text);
        free(endless);
    }
}

static void comparisons(void)
{
    for (int i = 0; i < 20000; i++) {
        size_t length = below(12), other = below(12);
        char *a = exact_text(length, true), *b = exact_text(other, true);
        libc_memcpy(a, b, below((length < other ? length : other) + 1));
        size_t limit = one_in(8) ? SIZE_MAX : below(14);
        expect_equal(sign(strcmp(a, b)), sign(libc_strcmp(a, b)));
        expect_equal(sign(strncmp(a, b, limit)), sign(libc_strncmp(a, b, limit)));
        expect_equal(strcmp(a, a), 0);
        free(a);
        free(b);
    }
}

static void strncmp_reads_no_further_than_its_limit(void)
{
    for (size_t length = 0; length < 20; length++) {
        char *a = exact_text(length, false), *b = room(length);
        libc_memcpy(b, a, length);
        expect_equal(strncmp(a, b, length), 0);
        free(a);
        free(b);
    }
}

MAIN(TEST(memmove_with_every_overlap), TEST(memmove_of_large_blocks), TEST(memcpy_copies),
     TEST(memset_takes_one_byte_of_the_int), TEST(memcmp_has_the_sign_of_unsigned_bytes),
     TEST(lengths), TEST(comparisons), TEST(strncmp_reads_no_further_than_its_limit))
