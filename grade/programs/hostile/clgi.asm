; clgi.asm: hold back every interrupt, an instruction of AMD's.
; Ends: SIGILL
%include "hostile.inc"

main:
        clgi
        survived
