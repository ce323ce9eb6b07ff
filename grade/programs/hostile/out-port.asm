; out-port.asm: write to a port: the UART, the interrupt controller, the port at which QEMU ends.
; Arguments: 0x3f8 0x20 0xf4 0xffff
; Ends: SIGSEGV
%include "hostile.inc"

main:
        argument
        mov     edx, eax
        mov     eax, 0x10
        out     dx, al
        survived
