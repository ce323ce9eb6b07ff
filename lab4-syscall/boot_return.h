/* boot_return.h: into ring 3 and back. */
#ifndef BOOT_RETURN_H
#define BOOT_RETURN_H

#include "types.h"

/*
 * Like enter_usermode, but it returns: when boot_return_to_kernel is called, with what that was
 * given. To the caller it is a function call that took its time: callee-saved registers, RFLAGS,
 * CR3, FS_BASE, the program's GS base, *kernel_rsp_ptr, TSS.rsp0 and current_process are then as
 * they were.
 *
 * `cr3` is the program's address space, which must show the stack we are on. While the program
 * runs, *kernel_rsp_ptr and TSS.rsp0 are the stack pointer of here, so the kernel works for the
 * program below this call's own frame. Calls may be nested: each one's record knows the one before
 * it.
 */
int64_t enter_usermode_returnable(vaddr_t entry, vaddr_t stack, uint64_t cs, uint64_t ss,
                                  uint64_t cr3, uint64_t *kernel_rsp_ptr);

/*
 * Make the last enter_usermode_returnable return `result`. May be called on any way into the
 * kernel, with interrupts on or off, and in any address space that shows the kernel. A panic if the
 * record has been overwritten or there is none.
 */
void boot_return_to_kernel(int64_t result) __attribute__((noreturn));

/* Is there anything to return to? */
bool has_boot_return_context(void);

/* Of the last record: where it is and the address space to return to. All 0 if there is none. */
extern uint64_t boot_return_rsp, boot_return_cr3, boot_stack_canary;

#endif
