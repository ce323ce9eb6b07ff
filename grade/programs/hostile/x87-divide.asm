; x87-divide.asm: divide by zero in the x87, and have it complain.
; Ends: SIGFPE
%include "hostile.inc"

main:
        push    0x0300                  ; nothing masked
        fldcw   [rsp]
        fld1
        fldz
        fdivp   st1, st0
        fwait
        survived
