; stub.asm: what GRUB boots to make the template. Its first instruction is its only one, so the
; machine that is saved there is in exactly the state in which GRUB hands over.

bits 32
section .text

align 8
header:
    dd 0xe85250d6, 0, header_end - header, -(0xe85250d6 + header_end - header)
    dw 0, 0
    dd 8
header_end:

global _start
_start:
    jmp _start
