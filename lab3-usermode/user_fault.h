/* user_fault.h: what becomes of a program that does what it must not. */
#ifndef USER_FAULT_H
#define USER_FAULT_H

/* From now on an exception in ring 3 is the program's problem, and one in ring 0 still a panic. */
void user_faults_init(void);

#endif
