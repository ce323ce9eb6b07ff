/* last_words.c: raw output, for a kernel that has no serial driver yet or cannot trust it. */
#include "last_words.h"
#include "uart.h"
#include "x86.h"

void last_words(const char *text)
{
    for (; *text != '\0'; text++) {
        for (int i = 0; i < UART_PATIENCE; i++)
            if (inb(COM1 + UART_LINE_STATUS) & LSR_TRANSMITTER_EMPTY)
                break;
        outb(COM1 + UART_DATA, (uint8_t)*text);
    }
}
