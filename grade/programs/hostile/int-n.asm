; int-n.asm: raise every interrupt: only 3 and the system call are ours to raise.
; Arguments: 0..2
; Ends: SIGSEGV
; Arguments: 3
; Ends: SIGTRAP
; Arguments: 4..127 129..255
; Ends: SIGSEGV
%include "hostile.inc"

main:
        argument
        shl     eax, 4                  ; the size of an entry
        lea     rcx, [table]
        add     rcx, rax
        jmp     rcx

        align   16
table:
%assign vector 0
%rep 256
        align   16
        int     vector
        jmp     after
  %assign vector vector + 1
%endrep
after:
        survived
