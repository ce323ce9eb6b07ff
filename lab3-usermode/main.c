/* main.c: what the kernel of lab 3 does, in order. */
#include "boot_files.h"
#include "bootinfo.h"
#include "console_calls.h"
#include "cpu.h"
#include "frames.h"
#include "gdt.h"
#include "idt.h"
#include "int80.h"
#include "kernel_space.h"
#include "kernel_stack.h"
#include "lab3.h"
#include "panic.h"
#include "print.h"
#include "programs.h"
#include "report.h"
#include "serial.h"
#include "timer.h"
#include "trap.h"
#include "user_fault.h"
#include "window.h"
#include "x86.h"

void kmain(uint32_t boot_info)
{
    serial_init();
    kprintf("Rung lab 3: in long mode at %p\n", (void *)kmain);
    gdt_init();
    idt_init();
    trap_register(VECTOR_BP, report_and_go_on); /* it does no harm */
    breakpoint();

    must(bootinfo_init(paddr(boot_info)));
    bootinfo_print();

    window_open(WINDOW_BASE);
    must(frames_init());
    kprintf("frames: %lu of %lu free\n", frames_free(), frames_total());
    must(kernel_space_init());
    must(boot_files_init());

    cpu_init();
    must(kernel_stacks_init());
    user_faults_init();
    int80_init();
    console_calls_init();
    timer_init();
    sti();

    kernel_ready();
    programs_run();
}
