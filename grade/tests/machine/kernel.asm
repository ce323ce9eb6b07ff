; kernel.asm: the smallest kernel that the instruments can be tried on. It comes to kmain in long
; mode with the first GiB mapped one to one; a test then points RIP at one of the functions below.

bits 32
section .text align=4096

align 8
header:
    dd 0xe85250d6, 0, header_end - header, -(0xe85250d6 + header_end - header)
    dw 0, 0
    dd 8
header_end:

global _start
_start:
    mov [information], ebx
    mov esp, stack_top
    mov edi, level4
    mov ecx, 3 * 4096 / 4
    xor eax, eax
    rep stosd
    mov dword [level4], level3 + 7
    mov dword [level3], level2 + 7
    mov ecx, 512
    mov eax, 0x83
    mov edi, level2
.large:
    mov [edi], eax
    add eax, 0x200000
    add edi, 8
    loop .large
    mov eax, level4
    mov cr3, eax
    mov eax, cr4
    or eax, 1 << 5
    mov cr4, eax
    mov ecx, 0xc0000080
    rdmsr
    or eax, 1 << 8
global enable_long_mode
enable_long_mode:
    wrmsr
    mov eax, cr0
    or eax, 1 << 31 | 1 << 16
    mov cr0, eax
    lgdt [gdtr]
    jmp 8:long_mode

bits 64
default rel
long_mode:
    mov eax, 16
    mov ss, eax
    mov ds, eax
    mov es, eax
    mov rsp, stack_top
    xor ebp, ebp
    lidt [idtr]
    call kmain

%macro argument 1                   ; push an argument of the call at RBX, or what it points to
    mov rax, [rbx + 8 + 8 * %1]
    bt r13, %1
    jnc %%direct
    mov rax, [rax]
%%direct:
    push rax
%endmacro

%macro function 1
global %1:function (%1.end - %1)
%1:
%endmacro

function kmain
    push rbp
    mov rbp, rsp
    call say_hello
    call leave_ok
.end:

function kernel_ready               ; where m.call lets a function return to; nothing is done there
    ret
.end:

function say_hello
    lea rsi, [hello]
    call print
    ret
.end:

function print                      ; the string at RSI
.next:
    lodsb
    test al, al
    jz .done
    mov dx, 0x3f8
    out dx, al
    jmp .next
.done:
    ret
.end:

%macro leave_with 1                 ; QEMU 9.1 and newer end a moment later
    mov eax, %1
    mov dx, 0xf4
    out dx, eax
    jmp sleep_for_good
%endmacro

function leave_ok
    leave_with 0x10
.end:

function leave_panic
    lea rsi, [panic_text]
    call print
    leave_with 0x11
.end:

function leave_not_written
    lea rsi, [not_written_text]
    call print
    leave_with 0x12
.end:

function leave_otherwise
    leave_with 0x2a
.end:

function spin
    push rbp
    mov rbp, rsp
    call spin_inside
.end:

function spin_inside
    nop
    jmp spin_inside
.end:

function sleep_for_good
    cli
    hlt
    jmp sleep_for_good
.end:

function sleep_in_vain
    mov al, 0xff                    ; no device may interrupt
    out 0x21, al
    out 0xa1, al
    sti
    hlt
    jmp sleep_in_vain
.end:

function timer_on_vector_8          ; as the BIOS left it
    sti
    hlt
    jmp timer_on_vector_8
.end:

function flood
    mov dx, 0x3f8
    mov al, 'x'
.next:
    out dx, al
    jmp .next
.end:

function lose_stack                 ; #PF, whose frame goes nowhere: #DF, triple fault
    push rbp
    mov rbp, rsp
    mov rsp, 0x700000001000
    push rax
.end:

function lose_idt                   ; #UD with no IDT that could hold its gate
    lidt [no_idtr]
    ud2
.end:

function survive_fault              ; #PF with a good handler, which skips the instruction
    mov rax, 0x7fff00000
.fault:
    mov eax, [rax]
.survived:
    nop
    ret
.end:

function reset_machine
    mov al, 0xfe
    out 0x64, al
    jmp spin_inside
.end:

function power_off                  ; PIIX4's power management, where SeaBIOS puts it
    mov dx, 0x604
    mov ax, 1 << 13
    out dx, ax
    jmp sleep_for_good
.end:

function trap_for_ever
    lidt [idtr]
.next:
    int3
    jmp .next
.end:

function write_msrs
    mov ecx, 0xc0000081
    mov edx, 0x00230008
    xor eax, eax
    wrmsr
    mov ecx, 0xc0000082
    mov eax, 0x89abcdef
    mov edx, 0xffffffff
    wrmsr
    ret
.end:

function sum                        ; a call with six arguments
    lea rax, [rdi + rsi]
    add rax, rdx
    add rax, rcx
    add rax, r8
    add rax, r9
    ret
.end:

function countdown                  ; calls itself
    test rdi, rdi
    jz .zero
    push rdi
    dec rdi
    call countdown
    pop rdi
    add rax, rdi
    ret
.zero:
    xor eax, eax
    ret
.end:

function probe_run                  ; grade/probes/calls.c in short
    push rbx
    push r12
    push r13
    xor r12d, r12d
.next:
    cmp r12, [probe_count]
    jae .done
    imul rbx, r12, 72
    lea rax, [probe_calls]
    add rbx, rax
    mov r13, [rbx + 56]
%assign i 0
%rep 6
    argument i
%assign i i + 1
%endrep
    pop r9
    pop r8
    pop rcx
    pop rdx
    pop rsi
    pop rdi
    call [rbx]
    mov [rbx + 64], rax
    inc r12
    jmp .next
.done:
    call probe_done
    jmp .done
.end:

function probe_done
    ret
.end:

function page_fault
    add rsp, 8
    add qword [rsp], survive_fault.survived - survive_fault.fault
    iretq
.end:

function return_at_once
    iretq
.end:

function other_fault
    jmp other_fault
.end:

section .data align=16
gdt:
    dq 0, 0x00209a0000000000, 0x0000920000000000
gdtr:
    dw $ - gdt - 1
    dd gdt
    dd 0
%macro gate 1
    dw %1 - header, 8             ; the header lies at 0x100000
    dw 0x8e00, 0x10
    dd 0, 0
%endmacro
align 16
idt:
%assign vector 0
%rep 32
%if vector = 14
    gate page_fault
%elif vector = 3
    gate return_at_once
%else
    gate other_fault
%endif
%assign vector vector + 1
%endrep
idtr:
    dw $ - idt - 1
    dq idt
no_idtr:
    dw 0
    dq 0
hello:            db "hello", 13, 10, "world", 10, 0
panic_text:       db "PANIC: out of cake", 10, "  [<"
panic_address:    db "0000000000000000>] somewhere", 10, 0
not_written_text: db "exercise 1.3 is not written yet (lab1-boot/serial.c:42)", 10, 0

section .bss align=4096
global level4, level3, level2, information
level4: resb 4096
level3: resb 4096
level2: resb 4096
    resb 16384
stack_top:
information: resd 2
global probe_calls:data (8 * 72), probe_count
probe_calls: resb 8 * 72
probe_count: resq 1
