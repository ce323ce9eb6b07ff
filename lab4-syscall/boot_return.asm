; boot_return.asm: into ring 3 and back, as if it were a function call.
;
; enter_usermode_returnable leaves a record on the stack that it is called on, and
; boot_return_to_kernel takes it off again. All of it is assembly: a compiler may move code across
; what it believes to be a call, and here nothing returns where it left. The record, from its top:
;
;       return address                  by the caller's call instruction
;       rbp rbx r12 r13 r14 r15         what a function must preserve (psABI 3.2.1)
;       rflags
;       FS_BASE, KERNEL_GS_BASE         of the program that is running, if calls are nested
;       current_process                 likewise
;       kernel_rsp_ptr, *kernel_rsp_ptr likewise
;       boot_return_cr3                 of the record before this one
;       boot_return_rsp                 likewise: so the records are a list
;       BOOT_CANARY_MAGIC               whatever overflows the stack above meets this first
;
; That is 16 slots: the stack is aligned behind it, and the kernel's entry code begins there.
%include "constants.inc"
%include "not_written.inc"

extern enter_usermode, current_process, cpu_tss, boot_return_smashed, boot_return_entry

section .text progbits alloc exec nowrite align=16
bits 64

; Push an MSR. Changes RAX, RCX and RDX.
%macro PUSH_MSR 1
        mov     ecx, %1
        rdmsr
        shl     rdx, 32
        or      rax, rdx
        push    rax
%endmacro

; Pop an MSR. Changes RAX, RCX and RDX.
%macro POP_MSR 1
        pop     rax
        mov     rdx, rax
        shr     rdx, 32
        mov     ecx, %1
        wrmsr
%endmacro

; Exercise 4.3 (25 points), first part. Leave the record, make it the last one, let *kernel_rsp_ptr
; and TSS.rsp0 be RSP, switch to the program's address space, and go on in enter_usermode, whose
; four arguments are our first four: rdi rsi rdx rcx. r8 is the address space, r9 kernel_rsp_ptr.
global enter_usermode_returnable
enter_usermode_returnable:
; { solution 4.3
        push    rbp
        push    rbx
        push    r12
        push    r13
        push    r14
        push    r15
        pushfq
        mov     r10, rdx                ; RDMSR needs RCX and RDX
        mov     r11, rcx
        PUSH_MSR MSR_FS_BASE
        PUSH_MSR MSR_KERNEL_GS_BASE
        mov     rdx, r10
        mov     rcx, r11
        push    qword [rel current_process]
        push    r9
        push    qword [r9]
        push    qword [rel boot_return_cr3]
        push    qword [rel boot_return_rsp]
        mov     rax, BOOT_CANARY_MAGIC
        push    rax

        cli                             ; an interrupt in between would find half of it
        mov     [rel boot_stack_canary], rax
        mov     [rel boot_return_rsp], rsp
        mov     rax, cr3
        mov     [rel boot_return_cr3], rax
        mov     [r9], rsp
        mov     [rel cpu_tss + TSS_RSP0], rsp
        mov     cr3, r8
        jmp     enter_usermode
; } solution

; Second part. Check that there is a record and that both it and boot_stack_canary hold the magic:
; else boot_return_smashed(rdi expected, rsi what was found). Then undo all of the above, in the
; opposite order; the segment registers are the kernel's again: DS and ES SELECTOR_KERNEL_DATA, FS
; and GS null, which must not touch the kernel's own GS_BASE. RDI has the result.
global boot_return_to_kernel
boot_return_to_kernel:
; { solution 4.3
        cli
        mov     r12, rdi
        and     rsp, -16
        call    boot_return_entry       ; says that we are here
        mov     rdi, BOOT_CANARY_MAGIC
        mov     rsi, [rel boot_stack_canary]
        cmp     rsi, rdi
        jne     boot_return_smashed     ; also if there is no record
        mov     rbx, [rel boot_return_rsp]
        mov     rsi, [rbx]
        cmp     rsi, rdi
        jne     boot_return_smashed

        mov     rax, [rel boot_return_cr3]
        mov     cr3, rax
        mov     rsp, rbx

        mov     eax, SELECTOR_KERNEL_DATA
        mov     ds, eax
        mov     es, eax
        xor     eax, eax
        mov     fs, eax
        swapgs                          ; loading GS clears its base: let that be the program's
        mov     gs, eax
        swapgs

        pop     rax                     ; the canary
        pop     qword [rel boot_return_rsp]
        pop     qword [rel boot_return_cr3]
        cmp     qword [rel boot_return_rsp], 0
        jne     .nested
        mov     qword [rel boot_stack_canary], 0
.nested:
        pop     rax                     ; *kernel_rsp_ptr
        pop     rcx                     ; kernel_rsp_ptr
        mov     [rcx], rax
        mov     [rel cpu_tss + TSS_RSP0], rax
        pop     qword [rel current_process]
        POP_MSR MSR_KERNEL_GS_BASE
        POP_MSR MSR_FS_BASE
        mov     rax, r12
        popfq
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbx
        pop     rbp
        ret
; } solution

section .bss nobits alloc noexec write align=8
global boot_return_rsp, boot_return_cr3, boot_stack_canary
boot_return_rsp:   resq 1
boot_return_cr3:   resq 1
boot_stack_canary: resq 1
