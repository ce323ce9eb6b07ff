; usermode.asm: the way into ring 3.
;
; There is no instruction for it. But IRETQ returns from an interrupt to whatever ring its frame
; says, so a frame of an interrupt that never was takes us there (Intel SDM vol. 2A, IRET):
;
;       [rsp + 32]  ss          user data, ring 3
;       [rsp + 24]  rsp         the program's stack
;       [rsp + 16]  rflags      IF, and bit 1, which is always 1
;       [rsp +  8]  cs          user code, ring 3
;       [rsp +  0]  rip         where it starts
%include "constants.inc"
%include "leave.inc"

extern user_fs_base

section .text progbits alloc exec nowrite align=16
bits 64

; void enter_usermode(rdi entry, rsi stack, rdx cs, rcx ss). DS and ES get the selector ss, FS and
; GS the null selector. FS_BASE is written after that, because loading FS changes it on some
; processors, and after the frame has been pushed, because WRMSR takes ECX, EDX and EAX for itself.
; Every general register is 0 in ring 3: what a program finds in one, it has learnt about the
; kernel.
global enter_usermode
enter_usermode:
        cli                             ; GS is the program's for a moment, and again at the end
        swapgs                          ; before GS is loaded: that clears its base
        mov     ds, ecx
        mov     es, ecx
        xor     eax, eax
        mov     fs, eax
        mov     gs, eax
        swapgs                          ; and back: the way out needs the kernel's

        push    rcx                     ; ss
        push    rsi                     ; rsp
        push    RFLAGS_IF | RFLAGS_FIXED
        push    rdx                     ; cs
        push    rdi                     ; rip

        mov     eax, [rel user_fs_base]
        mov     edx, [rel user_fs_base + 4]
        mov     ecx, MSR_FS_BASE
        wrmsr
        xor     eax, eax                ; and the program's GS base: not every processor clears it
        xor     edx, edx
        mov     ecx, MSR_KERNEL_GS_BASE
        wrmsr
        fnclex                          ; AMD's FXRSTOR leaves the addresses of the last x87
        emms                            ; instruction and its operand as they are, if no exception
        fild    dword [rel clean_fpu_state] ; is pending (APM vol. 5): be they those of this one
        fxrstor64 [rel clean_fpu_state]

        xor     eax, eax
        xor     ebx, ebx
        xor     ecx, ecx
        xor     edx, edx
        xor     esi, esi
        xor     edi, edi
        xor     ebp, ebp
        xor     r8d, r8d
        xor     r9d, r9d
        xor     r10d, r10d
        xor     r11d, r11d
        xor     r12d, r12d
        xor     r13d, r13d
        xor     r14d, r14d
        xor     r15d, r15d
        LEAVE_TO_USER

; The image that FXRSTOR loads (SDM vol. 1 table 10-2): everything empty and zero, all
; floating-point exceptions masked, as the psABI wants it (3.2.1).
section .rodata progbits alloc noexec nowrite align=16
clean_fpu_state:
        dw      0x037f                  ; x87 control word
        times 22 db 0
        dd      0x1f80                  ; MXCSR
        times 512 - 28 db 0
