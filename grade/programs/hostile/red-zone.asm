; red-zone.asm: keep something below RSP, where the psABI promises 128 bytes.
; Prints: intact
; Ends: exit 0
%include "hostile.inc"

main:
        mov     rbx, rsp
        mov     rcx, -16
.fill:  mov     [rbx + rcx * 8], rcx
        inc     rcx
        jnz     .fill
        spin
        mov     rcx, -16
.look:  cmp     [rbx + rcx * 8], rcx
        jne     .lost
        inc     rcx
        jnz     .look
        say     "intact"
        quit    0
.lost:  say     "overwritten"
        quit    1
