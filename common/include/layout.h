/*
 * layout.h: every number that the kernel, its assembly and the grader must agree on.
 *
 * Only `#define NAME number` here: lab.mk turns this file into constants for nasm, and the
 * grader reads it too. So there is one place to change, and no second one to forget.
 */
#ifndef LAYOUT_H
#define LAYOUT_H

/* Virtual memory. The kernel image is linked at KERNEL_BASE + its physical address. */
#define PAGE_SIZE 0x1000
#define PAGE_SHIFT 12
#define LARGE_PAGE_SIZE 0x200000
#define HUGE_PAGE_SIZE 0x40000000
#define USER_START 0x1000
#define USER_END 0x7ffffffff000
#define WINDOW_BASE 0xffff800000000000
#define WINDOW_SIZE 0x400000000000
#define KERNEL_BASE 0xffffffff80000000

/* Physical memory. The boot page tables open the window on BOOT_WINDOW_SIZE bytes of it only. */
#define KERNEL_PHYSICAL 0x100000
#define IMAGE_LIMIT 0x800000
#define BOOT_WINDOW_SIZE 0x100000000
#define PHYSICAL_LIMIT 0x10000000000

/* A kernel stack, and the page below it that must never be mapped. */
#define STACK_SIZE 0x4000
#define STACK_GUARD_SIZE 0x1000

/*
 * Stacks of processes in the kernel, and in the process: the kernel's lie one after the other, each
 * above its guard page; the process's grows down to USER_STACK_LIMIT, below which lies its guard.
 */
#define KERNEL_STACKS_BASE 0xffffc90000000000
#define KERNEL_STACKS 1024
#define USER_STACK_TOP 0x7fffffff0000
#define USER_STACK_LIMIT 0x7fffff7f0000
#define PROGRAM_BASE 0x400000

/* Segment selectors: SYSRET fixes the order of the last two (Intel SDM vol. 2B, SYSRET). */
#define SELECTOR_KERNEL_CODE 0x08
#define SELECTOR_KERNEL_DATA 0x10
#define SELECTOR_TSS 0x18
#define SELECTOR_USER_DATA 0x28
#define SELECTOR_USER_CODE 0x30
#define GDT_ENTRIES 7
#define USER_CS 0x33
#define USER_SS 0x2b

/* Interrupt stack table: vectors that must get a good stack whatever RSP holds. 0 means none. */
#define IST_DOUBLE_FAULT 1
#define IST_NMI 2
#define IST_MACHINE_CHECK 3
#define IST_DEBUG 4

/* Vectors: the interrupt controller's sixteen, and the system call of labs 3 and later. */
#define VECTOR_IRQ_BASE 0x20
#define VECTOR_TIMER 0x20
#define VECTOR_SYSCALL 0x80
#define TIMER_HZ 100

/* Where assembly and the grader look into struct percpu, struct syscall_frame and struct tss. */
#define PERCPU_KERNEL_RSP 0
#define PERCPU_FRAME 16
#define PERCPU_CR3_SWITCH 32
#define SYSCALL_FRAME_RIP 104
#define TSS_RSP0 4

/*
 * The entry area of lab 6: all of the kernel that a program's page tables show. Its pages, from the
 * lowest: code (2), IDT, GDT and TSS, struct percpu, five stacks of one page, each above its guard
 * (entry, NMI, debug, double fault, machine check), and the last page of all, which stays empty.
 */
#define TRAMPOLINE_VADDR 0xffffffffffff0000
#define ENTRY_CODE_PAGES 2
#define ENTRY_IDT 0xffffffffffff2000
#define ENTRY_GDT 0xffffffffffff3000
#define ENTRY_TSS 0xffffffffffff3100
#define ENTRY_PERCPU 0xffffffffffff4000
#define ENTRY_STACK_TOP 0xffffffffffff7000
#define ENTRY_NMI_TOP 0xffffffffffff9000
#define ENTRY_DEBUG_TOP 0xffffffffffffb000
#define ENTRY_DOUBLE_FAULT_TOP 0xffffffffffffd000
#define ENTRY_MACHINE_CHECK_TOP 0xfffffffffffff000
#define ENTRY_PAGES 16
#define ENTRY_STUB_SIZE 16

/* A process's shadow table lies behind its own, both in one aligned pair: they differ in this bit. */
#define SHADOW_BIT 0x1000

/* The PCID that shadows are used with, if the processor has PCIDs. The kernel's is 0. */
#define SHADOW_PCID 1

/* Lies in every boot-return record: no longer there, the record has been overwritten. */
#define BOOT_CANARY_MAGIC 0xdeadbeefcafebabe

/* QEMU's isa-debug-exit: writing v to the port ends QEMU with status (v << 1) | 1. */
#define EXIT_PORT 0xf4
#define EXIT_OK 0x10
#define EXIT_PANIC 0x11
#define EXIT_NOT_WRITTEN 0x12

/* Multiboot2 (Multiboot2 specification 2.0, sections 3.1 and 3.3). */
#define MULTIBOOT2_HEADER_MAGIC 0xe85250d6
#define MULTIBOOT2_LOADER_MAGIC 0x36d76289

/* The first serial port: uart.h has its registers. */
#define COM1 0x3f8

#endif
