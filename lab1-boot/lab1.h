/*
 * lab1.h: the interface of lab 1: what the grader and the later labs rely on.
 *
 * Change anything else as you like; these names, and what their headers promise, must stay. The
 * grader stops the machine at the functions that are marked with a *, before their first
 * instruction, so they must be called in this order, and each must be a real function.
 */
#ifndef LAB1_H
#define LAB1_H

#include "bootinfo.h" /* bootinfo_init(*) and the questions below it */
#include "gdt.h"      /* gdt_init(*), gdt, cpu_tss */
#include "idt.h"      /* idt_init(*), idt */
#include "panic.h"    /* panic, kernel_ready(*) */
#include "report.h"   /* describe_error; the report starts with a line PANIC: */
#include "sections.h" /* the parts of the image */
#include "serial.h"   /* serial_init(*), serial_putc */
#include "trap.h"     /* trap(*), struct trap_frame, trap_register(*) */

/*
 * boot.asm, with paging still off: .bss is clear where the second begins (*), and the tables are
 * filled where the third does (*); boot_l4 is the first of them.
 */
void clear_bss(void);
void make_boot_tables(void);
void enter_long_mode(void);
extern uint64_t boot_l4[];

/* The first C function, in long mode, at KERNEL_BASE. (*) */
void kmain(uint32_t boot_info);

#endif
