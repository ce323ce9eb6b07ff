/* print.h: formatted printing, to the console and to memory. */
#ifndef PRINT_H
#define PRINT_H

#include <stdarg.h>
#include <stddef.h>

/*
 * The conversions are d i u x X c s p and %%, with the flags - 0 #, a width (a number or *), a
 * precision for s, and the lengths l, ll and z. The compiler checks the arguments against them.
 * An unknown conversion is printed as it stands, so that it is seen.
 */

/* Print on the console. */
void kprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));
void kvprintf(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

/*
 * Print into `buffer` of `size` bytes, always ending it with a zero byte (if size > 0). Returns
 * the length that the whole text has; the text was cut if that is >= size.
 */
size_t ksnprintf(char *buffer, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
size_t kvsnprintf(char *buffer, size_t size, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

#endif
