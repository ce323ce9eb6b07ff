; syscall_entry.asm: where SYSCALL arrives, and how SYSRET leaves.
;
; SYSCALL saves RIP in RCX and RFLAGS in R11, clears the flags in SFMASK, and jumps here, in ring 0
; and with interrupts off, but still on the program's stack (Intel SDM vol. 2B, SYSCALL). The
; kernel's own is found through GS.
%include "constants.inc"
%include "not_written.inc"

extern syscall_table, syscall_bad_return

section .text progbits alloc exec nowrite align=16
bits 64

; Exercise 4.5 (25 points). Save the program's state as struct syscall_frame, note its address in
; percpu.frame, call syscall_table[eax] with the arguments in C's registers (the fourth comes in
; R10, since RCX is taken; a number that is not below SYSCALL_LIMIT is -ENOSYS; RAX's upper half does
; not count, as on Linux), with interrupts on.
; Then interrupts off, percpu.frame 0, everything restored but RAX, which has the result, and
; SYSRET. Before that make sure that the program's RIP is below 2^47: at any other an Intel
; processor would fault in ring 0 with the program's stack (CVE-2012-0217): jump to
; syscall_bad_return.
global syscall_entry
syscall_entry:
; { solution 4.5
        swapgs
        mov     [gs:PERCPU_USER_RSP], rsp
        mov     rsp, [gs:PERCPU_KERNEL_RSP]

        push    qword [gs:PERCPU_USER_RSP]
        push    rax                     ; the number
        push    rcx                     ; RIP
        push    r11                     ; RFLAGS
        push    rbp
        push    rbx
        push    r12
        push    r13
        push    r14
        push    r15
        push    rdi                     ; argument 1
        push    rsi                     ; argument 2
        push    rdx                     ; argument 3
        push    r10                     ; argument 4
        push    r8                      ; argument 5
        push    r9                      ; argument 6
        mov     [gs:PERCPU_FRAME], rsp
        sti

        mov     rcx, r10
        mov     eax, eax                ; the number is EAX, as on Linux
        cmp     eax, SYSCALL_LIMIT
        jae     .no_such_call
        call    [syscall_table + rax * 8]
.leave:
        cli                             ; from here on the stack and GS are the program's, by and by
        mov     qword [gs:PERCPU_FRAME], 0
        cmp     dword [rsp + SYSCALL_FRAME_RIP + 4], 0x7fff ; bits 32 to 63 of the program's RIP
        ja      syscall_bad_return

        pop     r9
        pop     r8
        pop     r10
        pop     rdx
        pop     rsi
        pop     rdi
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbx
        pop     rbp
        pop     r11
        pop     rcx
        mov     rsp, [rsp + SYSCALL_FRAME_RSP - SYSCALL_FRAME_RAX]
        swapgs
        o64 sysret

.no_such_call:
        mov     rax, -ENOSYS
        jmp     .leave
; } solution
