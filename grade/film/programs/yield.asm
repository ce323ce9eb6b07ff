; The program of the film: two processes that give way to each other.
section .text
global _start
_start:
        mov     eax, 57                 ; fork
        syscall
        mov     rbx, rax                ; parent and child differ in it
again:  mov     eax, 24                 ; sched_yield
door:   syscall
after:  jmp     again
