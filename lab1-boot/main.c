/* main.c: what the kernel of lab 1 does, in order. */
#include "bootinfo.h"
#include "gdt.h"
#include "idt.h"
#include "lab1.h"
#include "panic.h"
#include "print.h"
#include "report.h"
#include "serial.h"
#include "trap.h"
#include "x86.h"

void kmain(uint32_t boot_info)
{
    serial_init();
    kprintf("Rung lab 1: in long mode at %p\n", (void *)kmain);
    gdt_init();
    idt_init();
    trap_register(VECTOR_BP, report_and_go_on); /* it does no harm */
    breakpoint();

    must(bootinfo_init(paddr(boot_info)));
    bootinfo_print();

    kernel_ready();
    kprintf("Rung lab 1: done\n");
    machine_exit(EXIT_OK);
}
