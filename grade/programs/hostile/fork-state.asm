; fork-state.asm: a child that looks whether it has its parent's flags, FPU, XMM registers, FS and GS
; bases, DS and ES: at once, and again when both have run for a while.
; Labs: 5
; Prints: child: the same
; Prints: parent: the same
; Ends: exit 0
%include "hostile.inc"

FLAGS   equ 0x244cd5                    ; ID, AC, NT, OF, DF, and all that an addition sets

%macro set_base 2
        mov     eax, 158                ; arch_prctl
        mov     edi, %1
        lea     rsi, [%2]
        enter_kernel
%endmacro

%macro look 0
        compare_xmm
        mov     rax, [gs:0]
        cmp     rax, [for_gs]
        jne     .lost
        mov     rax, [fs:0]
        cmp     rax, [for_fs]
        jne     .lost
        mov     eax, ds
        cmp     eax, 0x2b
        jne     .lost
        mov     eax, es
        cmp     eax, 0x2b
        jne     .lost
        stmxcsr [now]
        mov     eax, [now]
        cmp     eax, [mxcsr]
        jne     .lost
        fnstcw  [now]
        mov     ax, [now]
        cmp     ax, [control]
        jne     .lost
        fld     st0
        fcomp   qword [tenth]
        fnstsw  ax
        and     ah, 0x45
        cmp     ah, 0x40                ; equal
        jne     .lost
%endmacro

main:
        set_base 0x1002, for_fs
        set_base 0x1001, for_gs
        mov     eax, 0x2b
        mov     ds, eax
        mov     es, eax
        fill_xmm
        ldmxcsr [mxcsr]
        fldcw   [control]
        fld     qword [tenth]
        push    FLAGS
        popfq
        pushfq
        pop     qword [flags]
        mov     eax, 57                 ; fork
        enter_kernel
        mov     [child], rax
        pushfq
        pop     rbx
        push    2
        popfq
        cmp     rbx, [flags]
        jne     .lost
        look
        spin
        look
        cmp     qword [child], 0
        jne     .parent
        say     "child: the same"
        quit    0
.parent:
        wait_for child
        test    eax, eax
        jnz     .lost
        look
        say     "parent: the same"
        quit    0
.lost:  say     "lost"
        quit    1

section .data
mxcsr:  dd      0x7f80                  ; round to zero
control:
        dw      0x0f7f                  ; the same, with all bits
        align   8
tenth:  dq      0.1
for_fs: dq      0x1111222233334444
for_gs: dq      0x5555666677778888

section .bss
now:    resq    1
flags:  resq    1
child:  resq    1
