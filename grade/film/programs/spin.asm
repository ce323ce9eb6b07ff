; The program of the film: it goes round, and asks the kernel for nothing.
%include "numbers.inc"
section .text
global _start
_start: NUMBER_REGISTERS                ; to be found again, unharmed
        xor     eax, eax
loop:   inc     rax
        jmp     loop
