; registers.asm: have the kernel change a register: in a system call, or when the timer interrupts.
; Prints: all kept
; Ends: exit 0
%include "hostile.inc"

main:
        fill    rdi, rsi, rdx, rbx, rbp, r8, r9, r10, r12, r13, r14, r15
        mov     eax, 1                  ; write to a file that there is not
        enter_kernel                    ; SYSCALL takes RCX and R11 for itself
        compare rdi, rsi, rdx, rbx, rbp, r8, r9, r10, r12, r13, r14, r15

        fill    rdi, rsi, rdx, rbx, rbp, r8, r9, r10, r12, r13, r14, r15, rcx, r11
        spin
        compare rdi, rsi, rdx, rbx, rbp, r8, r9, r10, r12, r13, r14, r15, rcx, r11
        say     "all kept"
        quit    0
.lost:  say     "lost"
        quit    1
