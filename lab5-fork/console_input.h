/* console_input.h: what is typed. */
#ifndef CONSOLE_INPUT_H
#define CONSOLE_INPUT_H

#include "types.h"

/* Read what has been typed, waiting for the first byte: how much. 0 at Ctrl-D, or without a UART. */
uint64_t console_read(char *data, uint64_t size);

#endif
