; The program of the film: it goes round, and asks the kernel for nothing.
section .text
global _start
_start:
        xor     eax, eax
loop:   inc     rax
        jmp     loop
