/* serial.h: the console on the first serial port. Lab 1 writes the driver. */
#ifndef SERIAL_H
#define SERIAL_H

#include <stdbool.h>

/*
 * Set up the 16550 UART at COM1: 115200 baud, 8 data bits, no parity, one stop bit, FIFOs on,
 * no interrupts. Returns false if there is no working UART; printing then goes nowhere, and
 * waits for nothing.
 */
bool serial_init(void);

/* Send one character, a newline as carriage return and newline. Waits while the UART is full. */
void serial_putc(char c);

#endif
