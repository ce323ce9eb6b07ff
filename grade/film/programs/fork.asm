; The program of the film: it forks, and the parent waits for its child.
section .text
global _start
_start:
        mov     rbx, 0x1234             ; the child has it, too
begin:  mov     eax, 57                 ; fork
door:   syscall
after:  test    eax, eax
        jz      child
parent: mov     rdi, -1                 ; any child
        xor     esi, esi
        xor     edx, edx
        xor     r10d, r10d
        mov     eax, 61                 ; wait4
ask:    syscall
waited: mov     edi, 0
        mov     eax, 60                 ; exit
        syscall
child:  xor     ecx, ecx
        mov     [rel counter], rbx      ; the page is shared until somebody writes
wrote:  mov     rcx, [rel counter]
        mov     edi, 5
        mov     eax, 60
        syscall

section .data
counter: dq      0x5678
