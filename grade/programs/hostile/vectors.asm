; vectors.asm: have the kernel change an SSE register: in a system call, or when it is interrupted.
; Prints: all kept
; Ends: exit 0
%include "hostile.inc"

main:
%assign n 0
%rep 16
        mov     eax, n + 1
        cvtsi2sd xmm%+n, eax
  %assign n n + 1
%endrep
        mov     edi, -1                 ; write to a file that there is not
        mov     eax, 1
        enter_kernel
        spin
%assign n 0
%rep 16
        cvtsd2si eax, xmm%+n
        cmp     eax, n + 1
        jne     .lost
  %assign n n + 1
%endrep
        say     "all kept"
        quit    0
.lost:  say     "lost"
        quit    1
