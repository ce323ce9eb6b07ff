; The program of the film: one system call, by int 0x80.
%include "numbers.inc"
section .text
global _start
_start:
        NUMBER_REGISTERS                ; to be found again, unharmed
again:  mov     eax, 1                  ; write
        mov     edi, 1
        lea     rsi, [rel text]
begin:  mov     edx, 3                  ; bytes
door:   int     0x80
after:  mov     rdi, rax
        jmp     again

section .rodata
text:   db      "hi", 10
