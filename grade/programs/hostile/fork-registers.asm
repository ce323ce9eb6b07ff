; fork-registers.asm: a child that looks whether any register but RAX is not its parent's.
; Labs: 5
; Prints: child: the same
; Prints: parent: the same
; Ends: exit 0
%include "hostile.inc"

main:
        mov     [stack], rsp
        fill    rdi, rsi, rdx, rbx, rbp, r8, r9, r10, r12, r13, r14, r15, rcx, r11
        pushfq
        pop     qword [flags]
        mov     eax, 57                 ; fork
        enter_kernel
.back:  mov     [child], rax
        cmp     rsp, [stack]
        jne     .lost
        compare rdi, rsi, rdx, rbx, rbp, r8, r9, r10, r12, r13, r14, r15
%ifdef SYSCALL_BY_INT80
        fill    rdi, rsi, rdx, rbx, rbp, r8, r9, r10, r12, r13, r14, r15
        compare rdi, rsi, rdx, rbx, rbp, r8, r9, r10, r12, r13, r14, r15, rcx, r11
%else
        lea     rax, [.back]            ; SYSCALL put RIP there, and RFLAGS
        cmp     rcx, rax
        jne     .lost
        cmp     r11, [flags]
        jne     .lost
%endif
        cmp     qword [child], 0
        jne     .parent
        say     "child: the same"
        quit    0
.parent:
        wait_for child
        test    eax, eax
        jnz     .lost
        say     "parent: the same"
        quit    0
.lost:  say     "lost"
        quit    1

section .bss
stack:  resq    1
flags:  resq    1
child:  resq    1
