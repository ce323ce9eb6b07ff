; syscall_entry.asm: where SYSCALL arrives, and how SYSRET leaves.
;
; SYSCALL saves RIP in RCX and RFLAGS in R11, clears the flags in SFMASK, and jumps here, in ring 0
; and with interrupts off, but still on the program's stack (Intel SDM vol. 2B, SYSCALL). The
; kernel's own is found through GS.
%include "constants.inc"

extern syscall_table, syscall_bad_return, entry_syscall_leave

section .text progbits alloc exec nowrite align=16
bits 64

; Everything between the kernel's stack and the program's: %1 is what to do when RSP is the
; program's.
%macro SERVE 1
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
        jae     %%no_such_call
        call    [syscall_table + rax * 8]
%%leave:
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
        %1
%%no_such_call:
        mov     rax, -ENOSYS
        jmp     %%leave
%endmacro

%macro LEAVE_AT_ONCE 0
        swapgs
        o64 sysret
%endmacro

%macro LEAVE_BY_ENTRY_AREA 0
        mov     [gs:PERCPU_USER_RSP], rsp
        jmp     entry_syscall_leave
%endmacro

; Without page-table isolation.
global syscall_entry
syscall_entry:
        swapgs
        mov     [gs:PERCPU_USER_RSP], rsp
        mov     rsp, [gs:PERCPU_KERNEL_RSP]
        SERVE   LEAVE_AT_ONCE

; With it: entry.asm has done the first three steps, on the program's page tables.
global syscall_entry_inside
syscall_entry_inside:
        SERVE   LEAVE_BY_ENTRY_AREA
