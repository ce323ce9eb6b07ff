/* console_input.c: the receiving half of the serial port, asked at every tick while somebody waits. */
#include "console_input.h"
#include "scheduler.h"
#include "timer.h"
#include "uart.h"
#include "x86.h"

#define END_OF_INPUT 4 /* what Ctrl-D sends */
#define NOBODY 0xff    /* is what a port reads as that no device answers at */

static bool is_ready(void)
{
    return (inb(COM1 + UART_LINE_STATUS) & LSR_DATA_READY) != 0;
}

uint64_t console_read(char *data, uint64_t size)
{
    static bool ended; /* and nobody has been told so yet */
    uint64_t done = 0;
    if (inb(COM1 + UART_LINE_STATUS) == NOBODY)
        return 0;
    cli();
    while (!ended && !is_ready())
        sleep_until(timer_ticks() + 1);
    while (!ended && done < size && is_ready()) {
        char c = (char)inb(COM1 + UART_DATA);
        ended = c == END_OF_INPUT;
        if (!ended)
            data[done++] = c;
    }
    if (done == 0)
        ended = false;
    sti();
    return done;
}
