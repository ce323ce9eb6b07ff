/* console_calls.h: the system calls of lab 3. */
#ifndef CONSOLE_CALLS_H
#define CONSOLE_CALLS_H

#include "types.h"

/* How many bytes programs have written to the console so far. */
uint64_t console_bytes_written(void);

/* Send what a program writes to the serial port. */
void put_on_console(const char *text, uint64_t size);

/* Register write and exit. */
void console_calls_init(void);

#endif
