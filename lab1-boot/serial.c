/* serial.c: the console, a 16550 UART (uart.h). */
#include "serial.h"
#include "not_written.h"
#include "uart.h"
#include "x86.h"

#define CLOCK 115200 /* the UART's clock after its own division by 16 */
#define BAUD 115200
#define PROBE_BYTE 0xa7

static bool present;

/* Wait until a bit of the line status is set; false if that does not happen. */
static bool wait_for(uint8_t bit)
{
    for (int i = 0; i < UART_PATIENCE; i++)
        if (inb(COM1 + UART_LINE_STATUS) & bit)
            return true;
    return false;
}

/*
 * Exercise 1.3 (10 points). Set up the UART as serial.h says: divisor CLOCK / BAUD with LCR_DIVISOR
 * set around it; LCR_8_BITS; interrupts off; FIFOs enabled and cleared. Then see whether it
 * is there: in loopback mode (MCR_LOOPBACK) what is sent comes back; send PROBE_BYTE. In the
 * end leave loopback, with DTR and RTS on. Returns whether the byte came back.
 */
bool serial_init(void)
{
    /* { solution 1.3 */
    outb(COM1 + UART_LINE_CONTROL, LCR_DIVISOR);
    outb(COM1 + UART_DATA, (CLOCK / BAUD) & 0xff);
    outb(COM1 + UART_INTERRUPT_ENABLE, (CLOCK / BAUD) >> 8);
    outb(COM1 + UART_LINE_CONTROL, LCR_8_BITS);
    outb(COM1 + UART_INTERRUPT_ENABLE, 0);
    outb(COM1 + UART_FIFO_CONTROL, FCR_ENABLE | FCR_CLEAR_BOTH);

    outb(COM1 + UART_MODEM_CONTROL, MCR_LOOPBACK | MCR_DTR | MCR_RTS);
    outb(COM1 + UART_DATA, PROBE_BYTE);
    present = wait_for(LSR_DATA_READY) && inb(COM1 + UART_DATA) == PROBE_BYTE;
    outb(COM1 + UART_MODEM_CONTROL, MCR_DTR | MCR_RTS);
    return present;
    /* } solution */
}

static void send(char c)
{
    if (wait_for(LSR_TRANSMITTER_EMPTY))
        outb(COM1 + UART_DATA, (uint8_t)c);
}

void serial_putc(char c)
{
    if (!present)
        return;
    if (c == '\n')
        send('\r');
    send(c);
}
