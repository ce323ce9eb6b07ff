/* serial.c: the console, a 16550 UART (PC16550D data sheet, National Semiconductor). */
#include "serial.h"
#include "not_written.h"
#include "x86.h"

/* Registers. The first two are the divisor's halves while LCR_DIVISOR is set. */
#define DATA (COM1 + 0)
#define INTERRUPT_ENABLE (COM1 + 1)
#define FIFO_CONTROL (COM1 + 2)
#define LINE_CONTROL (COM1 + 3)
#define MODEM_CONTROL (COM1 + 4)
#define LINE_STATUS (COM1 + 5)

#define LCR_8_BITS 0x03 /* 8 data bits, no parity, one stop bit */
#define LCR_DIVISOR 0x80
#define FCR_ENABLE 0x01
#define FCR_CLEAR_BOTH 0x06
#define MCR_DTR 0x01
#define MCR_RTS 0x02
#define MCR_LOOPBACK 0x10
#define LSR_DATA_READY 0x01
#define LSR_TRANSMITTER_EMPTY 0x20

#define CLOCK 115200 /* the UART's clock after its own division by 16 */
#define BAUD 115200
#define PROBE_BYTE 0xa7
#define PATIENCE 100000 /* status reads to wait for a UART that may not be there */

static bool present;

/* Wait until a bit of the line status is set; false if that does not happen. */
static bool wait_for(uint8_t bit)
{
    for (int i = 0; i < PATIENCE; i++)
        if (inb(LINE_STATUS) & bit)
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
    outb(LINE_CONTROL, LCR_DIVISOR);
    outb(DATA, (CLOCK / BAUD) & 0xff);
    outb(INTERRUPT_ENABLE, (CLOCK / BAUD) >> 8);
    outb(LINE_CONTROL, LCR_8_BITS);
    outb(INTERRUPT_ENABLE, 0);
    outb(FIFO_CONTROL, FCR_ENABLE | FCR_CLEAR_BOTH);

    outb(MODEM_CONTROL, MCR_LOOPBACK | MCR_DTR | MCR_RTS);
    outb(DATA, PROBE_BYTE);
    present = wait_for(LSR_DATA_READY) && inb(DATA) == PROBE_BYTE;
    outb(MODEM_CONTROL, MCR_DTR | MCR_RTS);
    return present;
    /* } solution */
}

static void send(char c)
{
    if (wait_for(LSR_TRANSMITTER_EMPTY))
        outb(DATA, (uint8_t)c);
}

void serial_putc(char c)
{
    if (!present)
        return;
    if (c == '\n')
        send('\r');
    send(c);
}
