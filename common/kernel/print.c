/* print.c: formatted printing. One loop reads the format; the sink knows where characters go. */
#include "print.h"
#include "serial.h"
#include "string.h"
#include "types.h"

struct sink {
    void (*put)(struct sink *sink, char c);
    char *buffer;   /* for a sink in memory */
    size_t size;    /* of the buffer */
    size_t written; /* characters so far, also those that did not fit */
};

/* What stands between % and the conversion's letter. */
struct spec {
    bool left, zero, prefix;
    size_t width;
    size_t precision;
    int longs; /* number of l; z counts as one */
};

static void put(struct sink *sink, char c)
{
    sink->put(sink, c);
    sink->written++;
}

static void pad(struct sink *sink, char c, size_t from, size_t to)
{
    for (; from < to; from++)
        put(sink, c);
}

static void put_text(struct sink *sink, const struct spec *spec, const char *text, size_t length)
{
    if (!spec->left)
        pad(sink, ' ', length, spec->width);
    for (size_t i = 0; i < length; i++)
        put(sink, text[i]);
    if (spec->left)
        pad(sink, ' ', length, spec->width);
}

static void put_number(struct sink *sink, const struct spec *spec, uint64_t value, unsigned base,
                       const char *sign, const char *digits)
{
    char text[24]; /* 2^64 has 20 decimal digits */
    size_t start = sizeof(text);
    do {
        text[--start] = digits[value % base];
        value /= base;
    } while (value != 0);

    size_t length = strlen(sign) + (sizeof(text) - start);
    if (!spec->left && !spec->zero)
        pad(sink, ' ', length, spec->width);
    for (; *sign != '\0'; sign++)
        put(sink, *sign);
    if (!spec->left && spec->zero)
        pad(sink, '0', length, spec->width);
    for (; start < sizeof(text); start++)
        put(sink, text[start]);
    if (spec->left)
        pad(sink, ' ', length, spec->width);
}

static int read_number(const char **format)
{
    int number = 0;
    for (; **format >= '0' && **format <= '9'; (*format)++)
        number = number * 10 + (**format - '0');
    return number;
}

/* A width or precision: digits, or a * for an argument. */
static int read_count(const char **format, va_list *args)
{
    if (**format != '*')
        return read_number(format);
    (*format)++;
    return va_arg(*args, int);
}

static struct spec read_spec(const char **format, va_list *args)
{
    struct spec spec = {.precision = SIZE_MAX};
    for (;; (*format)++) {
        if (**format == '-')
            spec.left = true;
        else if (**format == '0')
            spec.zero = true;
        else if (**format == '#')
            spec.prefix = true;
        else
            break;
    }
    int width = read_count(format, args);
    spec.left |= width < 0; /* as C has it */
    spec.width = (size_t)(width < 0 ? -(int64_t)width : width);
    if (**format == '.') {
        (*format)++;
        int precision = read_count(format, args);
        spec.precision = precision < 0 ? SIZE_MAX : (size_t)precision;
    }
    for (; **format == 'l' || **format == 'z'; (*format)++)
        spec.longs++;
    return spec;
}

static uint64_t unsigned_argument(const struct spec *spec, va_list *args)
{
    return spec->longs > 0 ? va_arg(*args, unsigned long) : va_arg(*args, unsigned);
}

static int64_t signed_argument(const struct spec *spec, va_list *args)
{
    return spec->longs > 0 ? va_arg(*args, long) : va_arg(*args, int);
}

/* Print one argument; false if there is no such conversion. */
static bool convert(struct sink *sink, const struct spec *spec, char conversion, va_list *args)
{
    static const char lower[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";
    switch (conversion) {
    case 'd':
    case 'i': {
        int64_t value = signed_argument(spec, args);
        uint64_t magnitude = value < 0 ? -(uint64_t)value : (uint64_t)value;
        put_number(sink, spec, magnitude, 10, value < 0 ? "-" : "", lower);
        return true;
    }
    case 'u':
        put_number(sink, spec, unsigned_argument(spec, args), 10, "", lower);
        return true;
    case 'x':
    case 'X': {
        uint64_t value = unsigned_argument(spec, args);
        bool small = conversion == 'x';
        const char *prefix = small ? "0x" : "0X";
        if (!spec->prefix || value == 0)
            prefix = "";
        put_number(sink, spec, value, 16, prefix, small ? lower : upper);
        return true;
    }
    case 'p':
        put_number(sink, spec, (uintptr_t)va_arg(*args, void *), 16, "0x", lower);
        return true;
    case 'c': {
        char c = (char)va_arg(*args, int);
        put_text(sink, spec, &c, 1);
        return true;
    }
    case 's': {
        const char *text = va_arg(*args, const char *);
        if (text == NULL)
            text = "(null)";
        put_text(sink, spec, text, strnlen(text, spec->precision));
        return true;
    }
    case '%':
        put(sink, '%');
        return true;
    default:
        return false;
    }
}

static void print(struct sink *sink, const char *format, va_list args)
{
    va_list rest; /* a va_list parameter may be an array in disguise: only a copy has an address */
    va_copy(rest, args);
    while (*format != '\0') {
        if (*format != '%') {
            put(sink, *format++);
            continue;
        }
        const char *start = format++;
        struct spec spec = read_spec(&format, &rest);
        bool known = convert(sink, &spec, *format, &rest);
        if (*format != '\0')
            format++;
        while (!known && start < format)
            put(sink, *start++);
    }
    va_end(rest);
}

static void put_console(struct sink *sink, char c)
{
    (void)sink;
    serial_putc(c);
}

static void put_memory(struct sink *sink, char c)
{
    if (sink->written + 1 < sink->size)
        sink->buffer[sink->written] = c;
}

void kvprintf(const char *format, va_list args)
{
    struct sink console = {.put = put_console};
    print(&console, format, args);
}

void kprintf(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    kvprintf(format, args);
    va_end(args);
}

size_t kvsnprintf(char *buffer, size_t size, const char *format, va_list args)
{
    struct sink memory = {.put = put_memory, .buffer = buffer, .size = size};
    print(&memory, format, args);
    if (size > 0)
        buffer[memory.written < size ? memory.written : size - 1] = '\0';
    return memory.written;
}

size_t ksnprintf(char *buffer, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t length = kvsnprintf(buffer, size, format, args);
    va_end(args);
    return length;
}
