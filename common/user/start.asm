; start.asm: where a program starts, and its system calls.
;
; The kernel leaves argc at [rsp], and behind it the pointers of argv, a NULL, those of envp, a NULL
; (psABI 3.4.1). RSP is a multiple of 16 there, which is what a call instruction wants.
section .text progbits alloc exec nowrite align=16
bits 64

extern main

global _start
_start:
        xor     ebp, ebp                ; the outermost frame
        mov     rdi, [rsp]              ; argc
        lea     rsi, [rsp + 8]          ; argv
        lea     rdx, [rsi + rdi * 8 + 8] ; envp
        call    main
        mov     edi, eax
        mov     eax, 60                 ; exit
        jmp     enter_kernel

; long null_call(void): getpid, the system call that does least.
global null_call
null_call:
        mov     eax, 39
        jmp     enter_kernel

; long system_call(long number, a1, a2, a3, a4, a5): from the psABI's argument registers to those of
; Linux's system calls. RAX has the result.
global system_call
system_call:
        mov     rax, rdi
        mov     rdi, rsi
        mov     rsi, rdx
        mov     rdx, rcx
        mov     r10, r8
        mov     r8, r9
enter_kernel:
%ifdef SYSCALL_BY_INT80 ; lab.mk makes both
        int     0x80
%else
        syscall
%endif
        ret
