/* usermode.h: the way into ring 3. */
#ifndef USERMODE_H
#define USERMODE_H

#include "types.h"

/*
 * Leave for ring 3 and never return: run at `entry` on `stack`, with the selectors cs and ss, with
 * interrupts on, and with nothing else in any register that the kernel ever computed.
 *
 * What must hold: the address space in use is the program's, and maps both; the stack in
 * TSS.rsp0 is mapped in it; user_fs_base is canonical; `entry` and `stack` are below USER_END.
 */
void enter_usermode(vaddr_t entry, vaddr_t stack, uint64_t cs, uint64_t ss)
    __attribute__((noreturn));

/* The FS base with which enter_usermode starts the program: its thread-local storage, or 0. */
extern uint64_t user_fs_base;

#endif
