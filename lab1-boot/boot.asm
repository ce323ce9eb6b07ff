; boot.asm: from the boot loader's 32-bit protected mode to kmain in the higher half.
;
; GRUB loads the image at KERNEL_PHYSICAL and jumps to _start with paging off, EAX = Multiboot2's
; magic and EBX = the address of its information (Multiboot2 specification, section 3.3). The
; kernel is linked 0xffffffff80000000 above that, so until paging is on every symbol but those of
; this section needs PHYSICAL().
%include "constants.inc"
%include "not_written.inc"

extern kmain, refuse_32
extern boot_start, boot_end, text_start, text_end, rodata_start, rodata_end
extern data_start, data_end, bss_start, bss_end

%define PHYSICAL(symbol) (symbol - KERNEL_BASE)

ENTRIES   equ 512                       ; in each page table, of 8 bytes
TABLES    equ IMAGE_LIMIT / LARGE_PAGE_SIZE
GIGABYTES equ BOOT_WINDOW_SIZE / HUGE_PAGE_SIZE

; An entry that leads to a table. The pages decide: rights are ANDed over all levels.
TABLE     equ PTE_PRESENT | PTE_WRITABLE
NX_HIGH   equ PTE_NO_EXECUTE >> 32      ; NX is bit 63: bit 31 of an entry's upper half

%define INDEX4(address) (((address) >> 39) & 511)
%define INDEX3(address) (((address) >> 30) & 511)

; ---------------------------------------------------------------------------------------------
; The header that tells GRUB what this file is.

section .multiboot2 progbits alloc noexec nowrite align=8
multiboot2_header:
        dd      MULTIBOOT2_HEADER_MAGIC
        dd      0                       ; architecture: i386, that is 32-bit protected mode
        dd      .end - multiboot2_header
        dd      0x100000000 - (MULTIBOOT2_HEADER_MAGIC + 0 + (.end - multiboot2_header))
        align   8
        dw      6, 0                    ; tag: modules must start on a page
        dd      8
        align   8
        dw      0, 0                    ; tag: the end
        dd      8
.end:

; ---------------------------------------------------------------------------------------------
; 32 bits, paging off.

section .boot progbits alloc exec nowrite align=16
bits 32
%define CODE_BITS 32

global _start
_start:
        cli
        cld
        mov     esp, PHYSICAL(boot_stack_top)
        mov     esi, no_multiboot2
        cmp     eax, MULTIBOOT2_LOADER_MAGIC
        jne     refuse_32
        mov     ebp, ebx                ; the boot information; EBP is left alone from here on
        call    check_processor
        call    clear_bss
        call    make_boot_tables
        jmp     enter_long_mode

; Refuse a processor without long mode (AMD64) or without no-execute pages. CPUID exists where bit
; 21 of EFLAGS can be changed (Intel SDM vol. 1 20.1.2).
check_processor:
        mov     esi, no_long_mode
        pushfd
        pop     eax
        mov     ecx, eax
        xor     eax, RFLAGS_ID
        push    eax
        popfd
        pushfd
        pop     eax
        xor     eax, ecx
        test    eax, RFLAGS_ID
        jz      refuse_32

        mov     eax, CPUID_EXTENDED_MAX
        cpuid
        cmp     eax, CPUID_EXTENDED_FEATURES
        jb      refuse_32
        mov     eax, CPUID_EXTENDED_FEATURES
        cpuid
        test    edx, CPUID_EXTENDED_EDX_LM
        jz      refuse_32
        mov     esi, no_nx
        test    edx, CPUID_EXTENDED_EDX_NX
        jz      refuse_32
        ret

no_multiboot2: db "Rung cannot start: the boot loader does not speak Multiboot2.", 10, 0
no_long_mode:  db "Rung cannot start: this processor has no long mode (x86-64).", 10, 0
no_nx:         db "Rung cannot start: this processor has no no-execute pages (NX).", 10, 0

; Exercise 1.1 (20 points), first part. Make .bss zero, from bss_start up to bss_end, both multiples
; of 4. C relies on it, and so do the page tables below, which lie in .bss; we rely on no
; loader. May change EAX, ECX and EDI. The stack is not in .bss.
global clear_bss
clear_bss:
; { solution 1.1
        mov     edi, PHYSICAL(bss_start)
        mov     ecx, PHYSICAL(bss_end)
        sub     ecx, edi
        shr     ecx, 2
        xor     eax, eax
        rep stosd
; } solution
        ret

; Exercise 1.1, second part. Fill the page tables that the processor will use once paging is on.
; All tables are in .bss, so whatever is not filled in stays not present. They must map:
;
;   virtual                          physical                   access
;   KERNEL_BASE + p                  p in boot_start..boot_end  read, execute
;                                    text_start..text_end       read, execute
;                                    rodata_start..rodata_end   read
;                                    data_start..data_end       read, write
;   p (the same addresses as above: the next instruction after paging is on is fetched from there)
;   WINDOW_BASE + p                  p below BOOT_WINDOW_SIZE   read, write; 2 MiB pages
;
; and nothing else. The image's pages are of 4 KiB, since their rights differ. Both views of the
; image can share boot_l2 and boot_l1, because KERNEL_BASE is a multiple of 1 GiB. May change every
; register but EBP and ESP. See Intel SDM vol. 3A 4.5.
global make_boot_tables
make_boot_tables:
; { solution 1.1
        ; Level 4: which table serves the low half, the window and the kernel image.
        mov     edi, PHYSICAL(boot_l4)
        mov     dword [edi + 0 * 8], PHYSICAL(boot_l3_low) + TABLE
        mov     dword [edi + INDEX4(WINDOW_BASE) * 8], PHYSICAL(boot_l3_window) + TABLE
        mov     dword [edi + INDEX4(KERNEL_BASE) * 8], PHYSICAL(boot_l3_high) + TABLE

        ; Level 3: address 0 and KERNEL_BASE lead to the same level 2.
        mov     dword [PHYSICAL(boot_l3_low) + 0 * 8], PHYSICAL(boot_l2) + TABLE
        mov     dword [PHYSICAL(boot_l3_high) + INDEX3(KERNEL_BASE) * 8], PHYSICAL(boot_l2) + TABLE

        ; Level 2: one level-1 table after the other.
        mov     edi, PHYSICAL(boot_l2)
        mov     eax, PHYSICAL(boot_l1) + TABLE
        mov     ecx, TABLES
.l2:    mov     [edi], eax
        add     edi, 8
        add     eax, PAGE_SIZE
        loop    .l2

        ; Level 1: each part of the image with the rights of its kind.
        xor     edx, edx
        mov     ebx, PTE_PRESENT
        mov     eax, boot_start
        mov     ecx, boot_end
        call    .map
        mov     eax, PHYSICAL(text_start)
        mov     ecx, PHYSICAL(text_end)
        call    .map
        mov     edx, NX_HIGH
        mov     eax, PHYSICAL(rodata_start)
        mov     ecx, PHYSICAL(rodata_end)
        call    .map
        mov     ebx, PTE_PRESENT | PTE_WRITABLE
        mov     eax, PHYSICAL(data_start)
        mov     ecx, PHYSICAL(data_end)
        call    .map

        ; The window: its level-2 tables follow each other, so this is one long array of pages.
        mov     edi, PHYSICAL(boot_l3_window)
        mov     eax, PHYSICAL(boot_l2_window) + TABLE
        mov     ecx, GIGABYTES
.l3:    mov     [edi], eax
        add     edi, 8
        add     eax, PAGE_SIZE
        loop    .l3

        mov     edi, PHYSICAL(boot_l2_window)
        mov     eax, PTE_PRESENT | PTE_WRITABLE | PTE_LARGE
        mov     ecx, GIGABYTES * ENTRIES
.large: mov     [edi], eax
        mov     dword [edi + 4], NX_HIGH
        add     edi, 8
        add     eax, LARGE_PAGE_SIZE
        loop    .large
        ret

; Map the pages from EAX up to ECX with the flags EDX:EBX. boot_l1 is one array of entries, whose
; index is the page's number.
.map:   cmp     eax, ecx
        jae     .done
        mov     edi, eax
        shr     edi, PAGE_SHIFT - 3
        add     edi, PHYSICAL(boot_l1)
        mov     esi, eax
        or      esi, ebx
        mov     [edi], esi
        mov     [edi + 4], edx
        add     eax, PAGE_SIZE
        jmp     .map
.done:
; } solution
        ret

; Exercise 1.2 (10 points). Switch to 64-bit mode (SDM vol. 3A 9.8.5): the tables' address into CR3;
; CR4 = CR4_PAE and nothing else (firmware may have left five-level paging on); EFER.LME and
; EFER.NXE (with NXE off, bit 63 of an entry is reserved and faults); CR0.PG and CR0.WP (with WP off
; the kernel writes to its own constants). That makes compatibility mode; the far jump to a 64-bit
; code segment, long_mode, leaves it. Keep EBP.
global enter_long_mode
enter_long_mode:
; { solution 1.2
        mov     eax, PHYSICAL(boot_l4)
        mov     cr3, eax
        mov     eax, CR4_PAE
        mov     cr4, eax
        mov     ecx, MSR_EFER
        rdmsr
        or      eax, EFER_LME | EFER_NXE
        wrmsr
        mov     eax, cr0
        or      eax, CR0_PG | CR0_WP
        mov     cr0, eax
        lgdt    [boot_gdt_pointer]
        jmp     SELECTOR_KERNEL_CODE:long_mode
; } solution

; A table just good enough for that jump. Lab 1's gdt.c replaces it.
        align   8
boot_gdt:
        dq      0
        dq      0x00209b0000000000      ; code: present, ring 0, 64-bit
        dq      0x0000930000000000      ; data: present, ring 0, writable
boot_gdt_pointer:
        dw      boot_gdt_pointer - boot_gdt - 1
        dd      boot_gdt

; ---------------------------------------------------------------------------------------------
; 64 bits, still at the low address.

bits 64
%define CODE_BITS 64
long_mode:
        mov     eax, SELECTOR_KERNEL_DATA
        mov     ds, eax
        mov     es, eax
        mov     ss, eax
        xor     eax, eax
        mov     fs, eax
        mov     gs, eax
        mov     rsp, boot_stack_top     ; the same stack, at its address in the higher half
        mov     edi, ebp                ; kmain's argument; clears the upper half too
        xor     ebp, ebp                ; a backtrace ends where the frame pointer is 0
        push    rbp                     ; and so is the return address that nobody will use
        mov     rax, kmain
        jmp     rax

; ---------------------------------------------------------------------------------------------

; The stack of boot and of kmain: a guard page and STACK_SIZE bytes, like struct kernel_stack.
section .stacks nobits alloc noexec write align=4096
global boot_stack
boot_stack:
        resb    STACK_GUARD_SIZE + STACK_SIZE
boot_stack_top:

section .bss nobits alloc noexec write align=4096
global boot_l4
boot_l4:        resq ENTRIES
boot_l3_low:    resq ENTRIES
boot_l3_high:   resq ENTRIES
boot_l3_window: resq ENTRIES
boot_l2:        resq ENTRIES
boot_l1:        resq ENTRIES * TABLES
boot_l2_window: resq ENTRIES * GIGABYTES
