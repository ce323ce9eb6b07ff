; isr.asm: the 256 entry points of the IDT, and the one way through them to trap() and back.
;
; A stub says which vector it is, and makes up an error code where the processor pushes none, so
; that the stack holds a struct trap_frame (trap.h) whatever happened:
;
;       ss, rsp, rflags, cs, rip        pushed by the processor (Intel SDM vol. 3A 6.14.2)
;       error                           by the processor, or 0 by the stub
;       vector                          by the stub
;       rax rbx rcx rdx rsi rdi rbp     by isr_common
;       r8 ... r15
%include "constants.inc"
%include "not_written.inc"
%include "registers.inc"
%include "stubs.inc"

extern trap, cpu_tss

section .text progbits alloc exec nowrite align=16
bits 64

; Exercise 4.1 (15 points). GS_BASE is the kernel's in ring 0 and the program's in ring 3: exchange
; them on the way in, and again on the way out, if the frame's CS says that the ring was 3. What
; trap() does to the frame may not change that ring.
global isr_common
isr_common:
        PUSH_REGISTERS
; { solution 4.1
        test    byte [rsp + TRAP_FRAME_CS], 3
        jz      .from_kernel
        swapgs
.from_kernel:
        CALL_TRAP
        test    byte [rsp + TRAP_FRAME_CS], 3
        jz      .to_kernel
        swapgs
.to_kernel:
        POP_REGISTERS
        iretq
; } solution

; The same for vectors of ANY_TIME: they can come in ring 0 where GS_BASE is still, or already, the
; program's. So ask GS_BASE itself: the kernel's addresses are negative numbers, and a program can
; have none of them. RBX, which C preserves, remembers the answer.
isr_any_time:
        PUSH_REGISTERS
; { solution 4.1
        xor     ebx, ebx
        mov     ecx, MSR_GS_BASE
        rdmsr
        test    edx, edx
        js      .is_kernels
        swapgs
        inc     ebx
.is_kernels:
        CALL_TRAP
        test    ebx, ebx
        jz      .leave
        swapgs
.leave:
        POP_REGISTERS
        iretq
; } solution

; #DB comes in ring 0 wherever those of ANY_TIME do, and has a stack of its own as they have. From
; ring 3 it ends the program, and on this stack the kernel must not go on to another one: the next
; #DB begins at its top again. So then the seven words are taken to the stack of TSS.rsp0, where any
; other exception of ring 3 has them. While #DB's handler is at work no
; second one comes: the gate has cleared TF, and no program can set a breakpoint.
isr_debug:
        test    byte [rsp + ENTRY_CS], 3
        jz      isr_any_time
        push    rax
        mov     rax, rsp
        mov     rsp, [rel cpu_tss + TSS_RSP0]
        PUSH_WORDS rax + 8, ENTRY_WORDS
        mov     rax, [rax]
        jmp     isr_common

%assign vector 0
%rep VECTORS
        align   16
isr_%+vector:
        STUB    vector, isr_common, isr_any_time, isr_debug
  %assign vector vector + 1
%endrep

section .rodata progbits alloc noexec nowrite align=8
global isr_stubs
isr_stubs:
%assign vector 0
%rep VECTORS
        dq      isr_%+vector
  %assign vector vector + 1
%endrep
