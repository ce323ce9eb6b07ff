; jump-far.asm: jump through a selector: ring 0, data, TSS, a stranger's LDT, behind the GDT.
; Arguments: 0x08 0x10 0x18 0x28 0x2b 0x43 4 0x1000 0xffff 0
; Ends: SIGSEGV
%include "hostile.inc"

main:
        argument
        push    rax
        lea     rax, [.there]
        push    rax
        jmp     qword far [rsp]         ; 64 bits of address, 16 of selector
.there:
        survived
