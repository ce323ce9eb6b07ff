/* main.c: what the kernel of lab 2 does, in order. */
#include "bootinfo.h"
#include "frames.h"
#include "gdt.h"
#include "idt.h"
#include "kernel_space.h"
#include "lab2.h"
#include "panic.h"
#include "print.h"
#include "report.h"
#include "serial.h"
#include "tour.h"
#include "trap.h"
#include "window.h"
#include "x86.h"

void kmain(uint32_t boot_info)
{
    serial_init();
    kprintf("Rung lab 2: in long mode at %p\n", (void *)kmain);
    gdt_init();
    idt_init();
    trap_register(VECTOR_BP, report_and_go_on); /* it does no harm */
    breakpoint();

    must(bootinfo_init(paddr(boot_info)));
    bootinfo_print();

    window_open(WINDOW_BASE);
    must(frames_init());
    kprintf("frames: %lu of %lu free\n", frames_free(), frames_total());
    tour();
    must(kernel_space_init());
    kernel_space_print();

    kernel_ready();
    kprintf("Rung lab 2: done\n");
    machine_exit(EXIT_OK);
}
