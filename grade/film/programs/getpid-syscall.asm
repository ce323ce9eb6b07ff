; The program of the film: one system call, by SYSCALL.
%include "numbers.inc"
section .text
global _start
_start:
        NUMBER_REGISTERS                ; to be found again, unharmed
begin:  mov     eax, 39                 ; getpid
door:   syscall
after:  mov     rdi, rax
        jmp     begin
