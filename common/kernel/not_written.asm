; not_written.asm: the way of assembly to exercise_not_written. Who comes here may stand on any stack,
; a program's for example: so there is one.
section .text progbits alloc exec nowrite align=16
bits 64

extern exercise_not_written

; As exercise_not_written(rdi exercise, rsi file, edx line). Does not return.
global exercise_not_written_64
exercise_not_written_64:
        mov     rsp, last_stack_top
        call    exercise_not_written

section .bss nobits alloc noexec write align=16
        resb    4096
last_stack_top:
