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
%include "registers.inc"

extern trap, leave_to_user

section .text progbits alloc exec nowrite align=16
bits 64

; Vectors with an error code (SDM vol. 3A table 6-1; AMD APM vol. 2 table 8-1 for 29 and 30): bit n
; stands for vector n.
%assign HAS_ERROR_CODE 1 << VECTOR_DF | 1 << VECTOR_TS | 1 << VECTOR_NP | 1 << VECTOR_SS | \
                       1 << VECTOR_GP | 1 << VECTOR_PF | 1 << VECTOR_AC | 1 << VECTOR_CP | \
                       1 << VECTOR_VC | 1 << VECTOR_SX

; Vectors that may come at any instruction, even between an entry's first and its SWAPGS.
%assign ANY_TIME 1 << VECTOR_NMI | 1 << VECTOR_DF | 1 << VECTOR_MC

; The body of the stub for vector %1. A vector does not fit into `push byte`: that is signed.
%macro STUB 1
  %if %1 >= 32 || (HAS_ERROR_CODE >> %1) & 1 == 0
        push    qword 0                 ; no error code: keep the frame's shape
  %endif
        push    qword %1
  %if %1 < 32 && (ANY_TIME >> %1) & 1 == 1
        jmp     isr_any_time
  %else
        jmp     isr_common
  %endif
%endmacro

CS_OFFSET equ 18 * 8                    ; of cs in struct trap_frame

; GS_BASE is the kernel's in ring 0 and the program's in ring 3: exchange
; them on the way in, and again on the way out, if the frame's CS says that the ring was 3. What
; trap() does to the frame may not change that ring.
global isr_common
isr_common:
        PUSH_REGISTERS
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

; With page-table isolation, from ring 3: entry.asm has brought the frame to the kernel's stack and
; has exchanged GS. It brings it back to the entry stack, too.
global isr_from_user
isr_from_user:
        PUSH_REGISTERS
        CALL_TRAP
        POP_REGISTERS
        jmp     [rel leave_to_user]

; The same for vectors of ANY_TIME: they can come in ring 0 where GS_BASE is still, or already, the
; program's. So ask GS_BASE itself: the kernel's addresses are negative numbers, and a program can
; have none of them. RBX, which C preserves, remembers the answer.
isr_any_time:
        PUSH_REGISTERS
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

%assign vector 0
%rep VECTORS
        align   16
isr_%+vector:
        STUB    vector
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
