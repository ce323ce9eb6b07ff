; read-last.asm: read across the end of the last page there can be.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        mov     rax, 0x7fffffffefff
        mov     rax, [rax]
        survived
