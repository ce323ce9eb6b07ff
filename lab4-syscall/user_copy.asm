; user_copy.asm: the one place where the kernel touches a program's memory at the program's address.
%include "constants.inc"

section .text progbits alloc exec nowrite align=16
bits 64

; size_t user_copy(rdi to, rsi from, rdx size): copy, and return how many bytes are left if the
; program's page is not there. SMAP forbids the kernel such an access unless AC is set (Intel SDM
; vol. 3A 4.6), so it is set for the one instruction. Setting it by POPFQ works also where there is
; no STAC.
global user_copy, user_copy_access, user_copy_faulted
user_copy:
        mov     rcx, rdx
        pushfq
        or      dword [rsp], RFLAGS_AC
        popfq
user_copy_access:
        rep movsb                       ; after a fault RCX still says how much is left
user_copy_faulted:
        pushfq
        and     dword [rsp], ~RFLAGS_AC
        popfq
        mov     rax, rcx
        ret
