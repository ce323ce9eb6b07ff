/* int80.h: system calls by `int 0x80`. */
#ifndef INT80_H
#define INT80_H

/* Let ring 3 raise VECTOR_SYSCALL and, for debuggers, VECTOR_BP: and no other vector. */
void int80_init(void);

#endif
