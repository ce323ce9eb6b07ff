; The program of the film: it ends at once.
section .text
global _start
_start:
        mov     edi, 3                  ; the status
door:   mov     eax, 60                 ; exit
        syscall
