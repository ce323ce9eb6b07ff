; x87-pending.asm: enter the kernel and end with an x87 exception that nobody has asked for.
; Prints: pending
; Ends: exit 0
%include "hostile.inc"

main:
        push    0x0300                  ; nothing masked
        fldcw   [rsp]
        fld1
        fldz
        fdivp   st1, st0                ; the next x87 instruction would raise it
        spin
        say     "pending"
        quit    0
