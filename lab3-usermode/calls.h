/* calls.h: the system calls of lab 3. */
#ifndef CALLS_H
#define CALLS_H

/* Register write and exit. */
void calls_init(void);

#endif
