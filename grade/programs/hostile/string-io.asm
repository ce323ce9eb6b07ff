; string-io.asm: write a whole string to the UART, past the kernel.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        lea     rsi, [main]
        mov     edx, 0x3f8
        mov     ecx, 16
        rep     outsb
        survived
