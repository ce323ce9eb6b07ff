; embedded.asm: the programs that the kernel brings along, as files: common/user/programs/*.c.
section .rodata progbits alloc noexec nowrite align=16

; A struct embedded (programs.c): name, start, end.
%macro PROGRAM 2
        dq      %%name, %%start, %%end
[section .rodata.programs progbits alloc noexec nowrite align=16]
        align   16
%%start:
        incbin  %2
%%end:
%%name: db      %1, 0
__SECT__
%endmacro

global embedded_baseline, embedded_programs
embedded_baseline:
        PROGRAM "hello", "user/hello-int80.elf"
embedded_programs:
        PROGRAM "sh", "user/sh.elf"
        PROGRAM "hello", "user/hello.elf"
        PROGRAM "memory", "user/memory.elf"
        PROGRAM "crash", "user/crash.elf"
        PROGRAM "family", "user/family.elf"
        PROGRAM "cow", "user/cow.elf"
        PROGRAM "wc", "user/wc.elf"
        dq      0, 0, 0
