; last_words_32.asm: the same as last_words.c for the first instructions after the boot loader, in
; 32-bit protected mode without paging. It needs no stack: the boot code may have lost it.
%include "constants.inc"

section .boot progbits alloc exec nowrite align=16
bits 32

; Write the text at ESI, which ends in a zero byte, to the first serial port, and leave the machine:
; refuse_32 when the boot code cannot go on, the other for an exercise that is not written yet.
global refuse_32, exercise_not_written_32
refuse_32:
        mov     bl, EXIT_PANIC
        jmp     next_byte
exercise_not_written_32:
        mov     bl, EXIT_NOT_WRITTEN

next_byte:
        lodsb
        test    al, al
        jz      leave_machine
        mov     ah, al
        mov     ecx, UART_PATIENCE
        mov     edx, COM1 + UART_LINE_STATUS
.wait:  in      al, dx
        test    al, LSR_TRANSMITTER_EMPTY
        loopz   .wait
        mov     al, ah
        mov     edx, COM1 + UART_DATA
        out     dx, al
        jmp     next_byte

leave_machine:
        mov     al, bl
        mov     edx, EXIT_PORT
        out     dx, al
.halt:  cli                             ; no QEMU, or one without the exit device
        hlt
        jmp     .halt
