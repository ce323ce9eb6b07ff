/* library.c: what programs share. */
#include "rung.h"

long write(int fd, const void *data, size_t size)
{
    return system_call(SYS_write, fd, data, size);
}

void exit(int status)
{
    for (;;)
        system_call(SYS_exit, status);
}

size_t length(const char *text)
{
    size_t n = 0;
    while (text[n] != '\0')
        n++;
    return n;
}

void print(const char *text)
{
    write(1, text, length(text));
}

static void print_unsigned(uint64_t value, unsigned base, const char *prefix)
{
    char text[24];
    size_t start = sizeof(text);
    do {
        text[--start] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    print(prefix);
    write(1, text + start, sizeof(text) - start);
}

void print_decimal(long value)
{
    print_unsigned(value < 0 ? -(uint64_t)value : (uint64_t)value, 10, value < 0 ? "-" : "");
}

void print_hex(uint64_t value)
{
    print_unsigned(value, 16, "0x");
}
