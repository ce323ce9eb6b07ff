; null-bases.asm: load the null selector into FS and GS, which leaves their bases on AMD's processors
; and clears them on Intel's (APM vol. 2, 4.5.3): whatever they are then, they stay.
; Labs: 4
; Prints: FS kept
; Prints: GS kept
; Ends: exit 0
%include "hostile.inc"

%macro arch_prctl 2
        mov     eax, 158
        mov     edi, %1
        lea     rsi, [%2]
        enter_kernel
%endmacro

main:
        arch_prctl 0x1002, block        ; ARCH_SET_FS
        arch_prctl 0x1001, block        ; ARCH_SET_GS
        xor     eax, eax
        mov     fs, eax
        mov     gs, eax
        arch_prctl 0x1003, before       ; ARCH_GET_FS
        arch_prctl 0x1004, before + 8   ; ARCH_GET_GS
        spin
        arch_prctl 0x1003, after
        arch_prctl 0x1004, after + 8
        mov     rax, [before]
        cmp     rax, [after]
        jne     .lost
        say     "FS kept"
        mov     rax, [before + 8]
        cmp     rax, [after + 8]
        jne     .lost
        say     "GS kept"
        quit    0
.lost:  quit    1

section .data
block:  dq      0
before: dq      1, 2
after:  dq      3, 4
