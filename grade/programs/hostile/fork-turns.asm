; fork-turns.asm: parent and child run in turns, as the timer has it, each with other numbers in all
; registers: neither ever sees one of the other's.
; Labs: 5
; Prints: child: all kept
; Prints: parent: all kept
; Ends: exit 0
%include "hostile.inc"

%macro watch 1
  %assign SALT %1
        fill_xmm
        mov     dword [rounds], 300
%%round:
        fill    rdi, rsi, rdx, rbx, rbp, r8, r9, r10, r12, r13, r14, r15, r11
        mov     ecx, 100000
%%spin: dec     ecx
        jnz     %%spin
        compare rdi, rsi, rdx, rbx, rbp, r8, r9, r10, r12, r13, r14, r15, r11
        compare_xmm
        dec     dword [rounds]
        jnz     %%round
%endmacro

main:
        mov     eax, 57                 ; fork
        enter_kernel
        mov     [child], rax
        test    rax, rax
        jnz     .parent
        watch   50
        say     "child: all kept"
        quit    0
.parent:
        watch   100
        wait_for child
        test    eax, eax
        jnz     .lost
        say     "parent: all kept"
        quit    0
.lost:  say     "lost"
        quit    1

section .bss
child:  resq    1
rounds: resd    1
