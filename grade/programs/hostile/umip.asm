; umip.asm: where do the kernel's tables lie? SGDT, SIDT, SLDT, STR or SMSW tells.
; Arguments: 0..4
; Ends: SIGSEGV
%include "hostile.inc"

main:
        argument
        lea     rdi, [rsp - 64]
        cmp     eax, 1
        je      .sidt
        cmp     eax, 2
        je      .sldt
        cmp     eax, 3
        je      .str
        cmp     eax, 4
        je      .smsw
        sgdt    [rdi]
        survived
.sidt:  sidt    [rdi]
        survived
.sldt:  sldt    [rdi]
        survived
.str:   str     [rdi]
        survived
.smsw:  smsw    [rdi]
        survived
