/* exec.h: another program in the same process. */
#ifndef EXEC_H
#define EXEC_H

/* Register execve. */
void exec_call_init(void);

#endif
