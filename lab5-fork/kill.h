/* kill.h: signals from one process to others. */
#ifndef KILL_H
#define KILL_H

/* Register kill. */
void kill_call_init(void);

#endif
