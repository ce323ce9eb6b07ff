; iretq-nested.asm: return to the task before this one: what NT asks for.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        pushfq
        or      dword [rsp], 0x4000     ; NT
        popfq
        iretq
        survived
