; stack-guard.asm: let the stack grow page by page until it meets what lies below.
; Ends: SIGSEGV
%include "hostile.inc"

main:
.next:  sub     rsp, 4096
        push    rax
        pop     rax
        jmp     .next
