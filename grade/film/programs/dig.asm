; The program of the film: it uses more of its stack than it has got so far.
%include "numbers.inc"
section .text
global _start
_start:
        NUMBER_REGISTERS                ; to be found again, unharmed
begin:  lea     rax, [rsp - 0x5000]     ; some pages below what is mapped
door:   mov     [rax], rbx
after:  mov     rcx, [rax]
stay:   jmp     stay
