/*
 * string.c: memory and text functions.
 *
 * gcc turns a loop that copies into a call of memcpy, even with -fno-builtin, so memcpy itself must
 * not be such a loop. The string instructions are what processors do best anyway (Intel
 * Optimization Manual 3.7.6).
 */
#include "string.h"
#include "types.h"

void *memcpy(void *restrict to, const void *restrict from, size_t bytes)
{
    void *end = to;
    size_t words = bytes / sizeof(uint64_t);
    bytes %= sizeof(uint64_t);
    __asm__ volatile("rep movsq" : "+D"(end), "+S"(from), "+c"(words) : : "memory");
    __asm__ volatile("rep movsb" : "+D"(end), "+S"(from), "+c"(bytes) : : "memory");
    return to;
}

void *memmove(void *to, const void *from, size_t bytes)
{
    if ((uintptr_t)to - (uintptr_t)from >= bytes) /* wraps round if `to` lies below `from` */
        return memcpy(to, from, bytes);

    /* They overlap with `to` behind: copy from the end, and leave DF as the ABI wants it. */
    uint8_t *last_to = (uint8_t *)to + bytes - 1;
    const uint8_t *last_from = (const uint8_t *)from + bytes - 1;
    __asm__ volatile("std\n\trep movsb\n\tcld"
                     : "+D"(last_to), "+S"(last_from), "+c"(bytes)
                     :
                     : "memory");
    return to;
}

void *memset(void *to, int byte, size_t bytes)
{
    void *end = to;
    uint64_t word = (uint8_t)byte * 0x0101010101010101ULL;
    size_t words = bytes / sizeof(uint64_t);
    bytes %= sizeof(uint64_t);
    __asm__ volatile("rep stosq" : "+D"(end), "+c"(words) : "a"(word) : "memory");
    __asm__ volatile("rep stosb" : "+D"(end), "+c"(bytes) : "a"(word) : "memory");
    return to;
}

int memcmp(const void *a, const void *b, size_t bytes)
{
    const uint8_t *p = a, *q = b;
    for (; bytes > 0; p++, q++, bytes--)
        if (*p != *q)
            return *p - *q;
    return 0;
}

size_t strlen(const char *s)
{
    const char *end = s;
    while (*end != '\0')
        end++;
    return (size_t)(end - s);
}

size_t strnlen(const char *s, size_t limit)
{
    size_t length = 0;
    while (length < limit && s[length] != '\0')
        length++;
    return length;
}

int strcmp(const char *a, const char *b)
{
    return strncmp(a, b, SIZE_MAX);
}

int strncmp(const char *a, const char *b, size_t limit)
{
    for (; limit > 0; a++, b++, limit--)
        if (*a != *b || *a == '\0')
            return (uint8_t)*a - (uint8_t)*b;
    return 0;
}
