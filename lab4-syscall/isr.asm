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

extern trap

section .text progbits alloc exec nowrite align=16
bits 64

CS_OFFSET equ 18 * 8                    ; of cs in struct trap_frame

; Exercise 4.1 (15 points). GS_BASE is the kernel's in ring 0 and the program's in ring 3: exchange
; them on the way in, and again on the way out, if the frame's CS says that the ring was 3. What
; trap() does to the frame may not change that ring.
global isr_common
isr_common:
        PUSH_REGISTERS
; { solution 4.1
        test    byte [rsp + CS_OFFSET], 3
        jz      .from_kernel
        swapgs
.from_kernel:
        CALL_TRAP
        test    byte [rsp + CS_OFFSET], 3
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

%assign vector 0
%rep VECTORS
        align   16
isr_%+vector:
        STUB    vector, isr_common, isr_any_time
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
