/* console_input.h: what is typed. */
#ifndef CONSOLE_INPUT_H
#define CONSOLE_INPUT_H

#include "types.h"

/* Read what has been typed, waiting for the first byte; -EINTR if a signal ended the waiting. */
int64_t console_read(char *data, uint64_t size);

#endif
