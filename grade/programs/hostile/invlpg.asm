; invlpg.asm: forget the translation of an address.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        invlpg  [main]
        survived
