/* last_words.c: raw output, for a kernel that has no serial driver yet or cannot trust it. */
#include "last_words.h"
#include "x86.h"

#define LINE_STATUS (COM1 + 5)
#define TRANSMITTER_EMPTY 0x20
#define PATIENCE 100000 /* status reads; a port that is not there must not hold the machine */

void last_words(const char *text)
{
    for (; *text != '\0'; text++) {
        for (int i = 0; i < PATIENCE && (inb(LINE_STATUS) & TRANSMITTER_EMPTY) == 0; i++)
            ;
        outb(COM1, (uint8_t)*text);
    }
}
