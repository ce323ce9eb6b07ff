; invd.asm: throw away what the caches hold.
; Ends: SIGSEGV
%include "hostile.inc"

main:
        invd
        survived
