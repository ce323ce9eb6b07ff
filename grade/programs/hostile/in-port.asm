; in-port.asm: read a port: the UART, the keyboard, the port at which QEMU ends.
; Arguments: 0x3f8 0x60 0xf4 0xffff
; Ends: SIGSEGV
%include "hostile.inc"

main:
        argument
        mov     edx, eax
        in      al, dx
        survived
