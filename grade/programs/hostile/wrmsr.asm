; wrmsr.asm: let SYSCALL go to an address of our own.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        lea     rax, [main]
        xor     edx, edx
        mov     ecx, 0xc0000082         ; LSTAR
        wrmsr
        survived
