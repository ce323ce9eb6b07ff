; sysenter.asm: enter the kernel by a door that it has not opened.
; Ends: SIGILL
%include "hostile.inc"

main:
        sysenter
        survived
