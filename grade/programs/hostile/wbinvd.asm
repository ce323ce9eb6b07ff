; wbinvd.asm: write back and empty all caches.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        wbinvd
        survived
