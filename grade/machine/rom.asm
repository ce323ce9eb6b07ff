; rom.asm: what the machine of a recording begins with, in the place of a BIOS and GRUB. The kernel,
; its modules and the information structure are in memory already; here is what remains of a boot
; loader's work: the state that a Multiboot2 kernel is entered in (specification, section 3.3), and
; what a BIOS does to the local APIC, without which no interrupt of the timer's comes.
;
; ENTRY and INFORMATION are given by whoever assembles this: physical addresses.

LOADER_MAGIC    equ 0x36d76289
SHADOW          equ 0xf0000             ; the ROM is seen here, and below 4 GiB as well
SIZE            equ 0x10000

LAPIC           equ 0xfee00000          ; Intel SDM vol. 3A, table 11-1
LAPIC_SPURIOUS  equ 0xf0
LAPIC_LINT0     equ 0x350
LAPIC_LINT1     equ 0x360

CODE            equ 0x08
DATA            equ 0x10

org SHADOW

bits 32
start_32:
        mov     eax, DATA
        mov     ds, eax
        mov     es, eax
        mov     fs, eax
        mov     gs, eax
        mov     ss, eax
        mov     dword [LAPIC + LAPIC_SPURIOUS], 0x1ff   ; it is on
        mov     dword [LAPIC + LAPIC_LINT0], 0x700      ; ExtINT: the interrupts of the 8259
        mov     dword [LAPIC + LAPIC_LINT1], 0x400      ; NMI
        mov     eax, LOADER_MAGIC
        mov     ebx, INFORMATION
        mov     ecx, ENTRY
        jmp     ecx

align 8
gdt:    dq      0
        dq      0x00cf9a000000ffff      ; code: 4 GiB from 0
        dq      0x00cf92000000ffff      ; data
gdtr:   dw      gdtr - gdt - 1
        dd      gdt

bits 16
start_16:
        o32 lgdt [cs:gdtr - $$]
        mov     eax, cr0
        or      al, 1                   ; PE
        mov     cr0, eax
        jmp     dword CODE:start_32

        times SIZE - 16 - ($ - $$) db 0
reset:  jmp     start_16                ; the processor's first instruction (SDM vol. 3A 10.1.4)
        times SIZE - ($ - $$) db 0
