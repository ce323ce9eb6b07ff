; flag-iopl.asm: give ourselves all ports: the flag stays as it is, and so do the ports.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        pushfq
        mov     rbx, [rsp]
        or      dword [rsp], 0x3000     ; IOPL
        popfq
        pushfq
        pop     rax
        cmp     rax, rbx
        je      .same
        say     "changed"
.same:  cli
        survived
