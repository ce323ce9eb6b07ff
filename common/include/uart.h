/*
 * uart.h: a 16550 UART (PC16550D data sheet, National Semiconductor): its registers as offsets from
 * its first port, and their bits. The first two are the divisor's halves while LCR_DIVISOR is set.
 *
 * Only `#define NAME number` here, for the same reason as in layout.h.
 */
#ifndef UART_H
#define UART_H

#define UART_DATA 0
#define UART_INTERRUPT_ENABLE 1
#define UART_FIFO_CONTROL 2
#define UART_LINE_CONTROL 3
#define UART_MODEM_CONTROL 4
#define UART_LINE_STATUS 5

/* Line control: 8 data bits, no parity, one stop bit. */
#define LCR_8_BITS 0x03
#define LCR_DIVISOR 0x80

#define FCR_ENABLE 0x01
#define FCR_CLEAR_BOTH 0x06

#define MCR_DTR 0x01
#define MCR_RTS 0x02
#define MCR_LOOPBACK 0x10

#define LSR_DATA_READY 0x01
#define LSR_TRANSMITTER_EMPTY 0x20

/* How often the status is read before a UART counts as absent: it must not hold the machine. */
#define UART_PATIENCE 100000

#endif
