; entry.asm: the kernel's first and last instructions with page-table isolation.
;
; While a program runs, CR3 holds its shadow table, in which nothing of the kernel is mapped but the
; entry area (layout.h): this code, and what the processor itself needs to get here. So here CR3 is
; changed, on every way in and out. The shadow table lies right behind the process's own, in an
; aligned pair: SHADOW_BIT of CR3 tells which of the two is in use. With PCIDs, shadows are used with
; SHADOW_PCID. percpu.cr3_switch has all that differs between the two, and, with PCIDs, what keeps
; the processor from flushing the TLB when CR3 is loaded: XOR, and one table becomes the other.
;
; Calls and jumps to the kernel's code are relative and reach it: both lie in the last 2 GiB.
%include "constants.inc"
%include "not_written.inc"
%include "registers.inc"
%include "stubs.inc"

%define IN_ENTRY_AREA 1

extern trap, isr_common, syscall_entry_inside

section .entry_text progbits alloc exec nowrite align=4096
bits 64

; The 256 entry points, ENTRY_STUB_SIZE bytes each: entry_area.c points the gates at them.
global entry_stubs
entry_stubs:
%assign vector 0
%rep VECTORS
        align   ENTRY_STUB_SIZE
        STUB    vector, entry_common, entry_any_time, entry_debug
  %assign vector vector + 1
%endrep
        times   VECTORS * ENTRY_STUB_SIZE - ($ - entry_stubs) int3 ; none is longer, or this fails

; Exercise 6.4 (25 points), first part. From ring 0 the kernel's tables are in use: isr_common. From
; ring 3: exchange GS, switch to the kernel's table (percpu.cr3_switch), copy the seven words to the
; stack of percpu.kernel_rsp, and go on in isr_from_user, with every register as it was.
; percpu.scratch holds one of them meanwhile.
entry_common:
; { solution 6.4
        test    byte [rsp + ENTRY_CS], 3
        jz      isr_common
        swapgs
        mov     [gs:PERCPU_SCRATCH], rax
        mov     rax, cr3
        xor     rax, [gs:PERCPU_CR3_SWITCH]
        mov     cr3, rax
        mov     rax, rsp
        mov     rsp, [gs:PERCPU_KERNEL_RSP]
        PUSH_WORDS rax, ENTRY_WORDS
        mov     rax, [gs:PERCPU_SCRATCH]
        jmp     isr_from_user
; } solution

; Second part. To ring 3: IRETQ's frame lies on the kernel's stack, every register but RSP has the
; program's value, GS is the kernel's. Copy the frame to the entry stack, switch to the shadow
; table (percpu.cr3_switch again), exchange GS, IRETQ.
global entry_leave
entry_leave:
; { solution 6.4
        mov     [gs:PERCPU_SCRATCH], rax
        mov     rax, rsp
        mov     rsp, ENTRY_STACK_TOP
        PUSH_WORDS rax, IRET_WORDS
        mov     rax, cr3
        xor     rax, [gs:PERCPU_CR3_SWITCH]
        mov     cr3, rax
        mov     rax, [gs:PERCPU_SCRATCH]
        swapgs
        iretq
; } solution

; Exercise 6.5 (15 points), first part. SYSCALL arrives here: as syscall_entry, but between the two
; stacks the kernel's table; the rest is done by syscall_entry_inside. No register but RSP is free.
global entry_syscall
entry_syscall:
; { solution 6.5
        swapgs
        mov     [gs:PERCPU_USER_RSP], rsp
        mov     rsp, cr3
        xor     rsp, [gs:PERCPU_CR3_SWITCH]
        mov     cr3, rsp
        mov     rsp, [gs:PERCPU_KERNEL_RSP]
        jmp     syscall_entry_inside
; } solution

; Second part. And back: the program's RSP is in percpu.user_rsp, all else is in place.
global entry_syscall_leave
entry_syscall_leave:
; { solution 6.5
        mov     rsp, cr3
        xor     rsp, [gs:PERCPU_CR3_SWITCH]
        mov     cr3, rsp
        mov     rsp, [gs:PERCPU_USER_RSP]
        swapgs
        o64 sysret
; } solution

; Exercise 6.6 (10 points). Vectors that come at any instruction, on stacks of their own in the
; entry area: CR3 may be either table, GS_BASE the kernel's or a program's. Make both the kernel's,
; call trap, and leave both as they were. RBX and R12, which C preserves, remember how that was. XOR
; would not do: clear what is a shadow's, SHADOW_BIT and SHADOW_PCID. That CR3 then is loaded without
; CR3_NO_FLUSH costs a little time, and the bit would be an error where there are no PCIDs.
entry_any_time:
        PUSH_REGISTERS
; { solution 6.6
        mov     rbx, cr3
        mov     rax, rbx
        and     rax, ~(SHADOW_BIT | SHADOW_PCID)
        mov     cr3, rax
        xor     r12d, r12d
        mov     ecx, MSR_GS_BASE
        rdmsr
        test    edx, edx                ; the kernel's addresses are negative numbers
        js      .is_kernels
        swapgs
        inc     r12d
.is_kernels:
        CALL_TRAP
        test    r12d, r12d
        jz      .leave
        swapgs
.leave:
        mov     cr3, rbx
; } solution
        POP_REGISTERS
        iretq

; #DB comes in ring 0 wherever those do. From ring 3 it ends the program, and the kernel must not go
; on to another one on a stack where the next #DB begins: so that way is entry_common's, which takes
; the frame to the program's kernel stack, wherever it lies.
entry_debug:
        test    byte [rsp + ENTRY_CS], 3
        jnz     entry_common
        jmp     entry_any_time

; What comes between, in the kernel's code. From ring 3, after entry_common:
section .text progbits alloc exec nowrite align=16
isr_from_user:
        PUSH_REGISTERS
        CALL_TRAP
        POP_REGISTERS
        jmp     [rel leave_to_user]

; Where the ways to ring 3 end there, and how they do without isolation.
global leave_plain
leave_plain:
        swapgs
        iretq

section .data progbits alloc noexec write align=8
global leave_to_user
leave_to_user: dq leave_plain
