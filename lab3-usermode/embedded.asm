; embedded.asm: the program that the kernel brings along: common/user/programs/hello.c, as a file.
section .rodata progbits alloc noexec nowrite align=16
global embedded_program, embedded_program_end
embedded_program:
        incbin "user/hello-int80.elf"
embedded_program_end:
