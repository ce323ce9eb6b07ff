/* cpu.h: the processor's features that programs need, and those that guard against them. */
#ifndef CPU_H
#define CPU_H

/*
 * Switch on x87 and SSE for programs, and, where the processor has them: SMEP and SMAP (the kernel
 * neither executes nor touches a program's pages), UMIP (programs cannot read the kernel's tables).
 */
void cpu_init(void);

#endif
