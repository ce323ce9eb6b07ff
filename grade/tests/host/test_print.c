/* test_print.c: formatted printing agrees with the host's wherever print.h promises what C does. */
#include "rung_string.h"

#include "print.c"

#define LONGEST 400

/* The console. */
static char console[LONGEST];
static size_t console_length;

void serial_putc(char c)
{
    expect(console_length + 1 < sizeof(console));
    console[console_length++] = c;
    console[console_length] = '\0';
}

/* Print into exactly `size` bytes, so that ASan sees one too many. */
static size_t print_exactly(char *result, size_t size, const char *format, va_list args)
{
    char *buffer = room(size);
    memset(buffer, '#', size);
    size_t length = kvsnprintf(buffer, size, format, args);
    memcpy(result, buffer, size);
    free(buffer);
    return length;
}

/* The same text as the host's, in memory, cut at any length, and on the console. */
static void same(const char *format, ...)
{
    char expected[LONGEST], seen[LONGEST], shown[LONGEST];
    va_list args, copy;
    va_start(args, format);
    va_copy(copy, args);
    size_t length = (size_t)vsnprintf(expected, sizeof(expected), format, copy);
    va_end(copy);
    size_t sizes[] = {length + 1, length, below(length + 2), length + 2, 1, 0};
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        size_t size = sizes[i];
        attempt("\"%s\" into %zu bytes: \"%s\"", format, size, expected);
        va_copy(copy, args);
        expect_equal(print_exactly(seen, size, format, copy), length);
        va_end(copy);
        if (size > 0) {
            snprintf(shown, size < LONGEST ? size : LONGEST, "%s", expected);
            expect_text(seen, shown);
        }
    }
    console_length = 0;
    console[0] = '\0';
    kvprintf(format, args);
    expect_text(console, expected);
    va_end(args);
}

/* Some of the flags, each at most twice, and a width. */
static char *flags_and_width(char *format, const char *flags)
{
    for (; *flags != '\0'; flags++)
        for (uint64_t n = below(6) % 3; n > 0; n--)
            *format++ = *flags;
    if (one_in(2))
        format += sprintf(format, "%u", 1 + (unsigned)below(30));
    return format;
}

static void random_number(void)
{
    static const char conversions[] = {'d', 'i', 'u', 'x', 'X'};
    static const char *const lengths[] = {"", "l", "ll", "z"};
    char conversion = PICK(conversions);
    const char *length = PICK(lengths);
    bool hex = conversion == 'x' || conversion == 'X';
    char format[60] = "[%";
    sprintf(flags_and_width(format + 2, hex ? "-0#" : "-0"), "%s%c]", length, conversion);

    uint64_t value = one_in(2) ? any_number() : -any_number();
    if (hex) /* C leaves out the prefix of a 0; print.h does not say */
        value |= 1;
    if (length[0] == '\0')
        same(format, (unsigned)value);
    else
        same(format, value);
}

static void numbers(void)
{
    for (int i = 0; i < 12000; i++)
        random_number();
}

static void widths_from_arguments(void)
{
    for (int width = 0; width < 40; width++) {
        int value = (int)rng();
        same("<%*d|%-*d|%0*d>", width, value, width, value, width, value);
        same("<%*x|%*s|%-*c>", width, value | 1, width, "text", width, 'c');
        same("<%*.*s|%-*.*s>", width, width / 3, "abcdefghij", width, width / 2, "abcdefghij");
    }
}

static void texts(void)
{
    for (int i = 0; i < 4000; i++) {
        char format[60] = "[%", text[30];
        size_t length = below(sizeof(text));
        for (size_t c = 0; c < length; c++)
            text[c] = (char)(' ' + below(90));
        text[length] = '\0';
        char *end = flags_and_width(format + 2, "-");
        if (one_in(2))
            end += one_in(8) ? sprintf(end, ".") : sprintf(end, ".%u", (unsigned)below(40));
        strcpy(end, "s]");
        same(format, text);
    }
}

static void a_precision_ends_a_text_that_does_not(void)
{
    for (int length = 0; length < 30; length++) {
        char *endless = room((size_t)length);
        memset(endless, 'e', (size_t)length);
        same("%.*s", length, endless);
        free(endless);
    }
}

static void characters(void)
{
    for (int c = 1; c < 256; c++)
        same("<%c|%3c|%-3c>", c, c, c);
    char buffer[4] = "###";
    expect_equal(ksnprintf(buffer, sizeof(buffer), "%c-", 0), 2);
    expect(buffer[0] == '\0' && buffer[1] == '-' && buffer[2] == '\0');
}

static void pointers(void)
{
    for (int i = 0; i < 500; i++) {
        void *pointer = (void *)(any_number() | 1);
        same("%p %30p %-30p|", pointer, pointer, pointer);
    }
    char text[30];
    ksnprintf(text, sizeof(text), "%p", NULL);
    expect_text(text, "0x0"); /* not glibc's "(nil)": a kernel's 0 is an address like others */
}

static void many_arguments(void)
{
    same("%d%% of %s: %lx %c %zu %p %5u|%-5d|%05d, %llx and %s", 42, "frames", 0xfeedUL, 'q',
         sizeof(int), (void *)0x1000, 7U, -7, -7, 0x1234567890abcdefULL, "the rest");
    same("%d %lu %x %ld %i %zx", INT32_MIN, UINT64_MAX, UINT32_MAX, INT64_MIN, INT32_MAX, SIZE_MAX);
    same("%20ld|%-24ld|%024ld", INT64_MIN, INT64_MIN, INT64_MIN);
    same("%ld %d %u %lx", 0L, 0, 0U, 0UL);
}

static void no_conversion(void)
{
    same("");
    same("%s", "");
    same("nothing\n\tat all \xc3\xa4");
    same("%%%%x%%");
}

static void null_is_a_text_too(void)
{
    same("<%s|%8s|%-8s>", (char *)NULL, (char *)NULL, (char *)NULL);
}

/* Formats that the compiler would refuse: it cannot see them here. */
static const char *volatile unknown[] = {"a%kb", "%!", "100% sure"};

static void unknown_conversions_are_seen(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
        char text[20];
        expect_equal(ksnprintf(text, sizeof(text), unknown[i]), strlen(unknown[i]));
        expect_text(text, unknown[i]);
    }
}

MAIN(TEST(numbers), TEST(widths_from_arguments), TEST(texts),
     TEST(a_precision_ends_a_text_that_does_not), TEST(characters), TEST(pointers),
     TEST(many_arguments), TEST(no_conversion), TEST(null_is_a_text_too),
     TEST(unknown_conversions_are_seen))
