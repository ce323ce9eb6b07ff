/* hostile.c: reading numbers, and telling results. */
#include "hostile.h"

static unsigned digit(char c)
{
    return c >= 'a' ? (unsigned)(c - 'a') + 10 : (unsigned)(c - '0');
}

uint64_t number(const char *text)
{
    uint64_t value = 0;
    int negative = *text == '-';
    text += negative;
    int hexadecimal = text[0] == '0' && text[1] == 'x';
    for (text += 2 * hexadecimal; *text != '\0'; text++)
        value = value * (hexadecimal ? 16 : 10) + digit(*text);
    return negative ? -value : value;
}

void result(const char *what, long value)
{
    print(what);
    print(": ");
    print_decimal(value);
    print("\n");
}
