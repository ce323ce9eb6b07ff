; stack-grow.asm: use the stack 7 MiB further down, which is its right.
; Prints: grown
; Ends: exit 0
%include "hostile.inc"

main:
        mov     dword [rsp - 7 * 1024 * 1024], 1
        say     "grown"
        quit    0
