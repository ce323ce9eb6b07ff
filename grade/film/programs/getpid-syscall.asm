; The program of the film: one system call, by SYSCALL.
section .text
global _start
_start:
        mov     rbx, 0x1234             ; to be found again, unharmed, after the call
again:  mov     eax, 39                 ; getpid
door:   syscall
after:  mov     rdi, rax
        jmp     again
