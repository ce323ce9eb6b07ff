; stac.asm: allow the kernel to touch our memory, for when we shall be in it.
; Ends: SIGILL
%include "hostile.inc"

main:
        stac
        survived
