; rdmsr.asm: find out where the kernel lies: LSTAR has the address of its entry.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        mov     ecx, 0xc0000082         ; LSTAR
        rdmsr
        survived
