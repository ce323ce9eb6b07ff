; clean-start.asm: look for something that the kernel, or the program before, has left behind.
; Prints: nothing found
; Ends: exit 0
%include "hostile.inc"

; Is it zero? start.asm has changed nothing but RDI, RSI, RDX and RBP.
%macro zero 1-*
  %rep %0
        test    %1, %1
        jnz     .found
    %rotate 1
  %endrep
%endmacro

main:
        zero    rax, rbx, rcx, r8, r9, r10, r11, r12, r13, r14, r15
        mov     eax, fs
        mov     ecx, gs
        zero    eax, ecx
        pushfq
        pop     rax
        and     eax, 0x47500            ; AC NT IOPL DF TF
        zero    eax
%assign n 0
%rep 16
        por     xmm0, xmm%+n
  %assign n n + 1
%endrep
        movq    rax, xmm0
        movhlps xmm0, xmm0
        movq    rcx, xmm0
        zero    rax, rcx
        fnstcw  [rsp - 8]
        fnstsw  [rsp - 6]
        stmxcsr [rsp - 4]
        mov     rax, 0x1f800000037f     ; what the psABI wants (3.2.1)
        cmp     [rsp - 8], rax
        jne     .found
        say     "nothing found"
        quit    0
.found: say     "found"
        quit    1
