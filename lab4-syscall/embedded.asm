; embedded.asm: the programs that the kernel brings along, as files: common/user/programs/*.c.
%include "embedded.inc"

section .rodata progbits alloc noexec nowrite align=16

global embedded_baseline, embedded_programs
embedded_baseline:
        PROGRAM "hello", "user/hello-int80.elf"
embedded_programs:
        PROGRAM "hello", "user/hello.elf"
        PROGRAM "memory", "user/memory.elf"
        PROGRAM "crash", "user/crash.elf"
        dq      0, 0, 0
