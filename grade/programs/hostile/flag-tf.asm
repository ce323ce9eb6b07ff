; flag-tf.asm: run step by step.
; Ends: SIGTRAP
%include "hostile.inc"

main:
        pushfq
        or      dword [rsp], 0x100      ; TF
        popfq
        nop
        survived
