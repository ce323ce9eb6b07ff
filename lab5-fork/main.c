/* main.c: what the kernel of lab 5 does, in order. */
#include "boot_files.h"
#include "bootinfo.h"
#include "console_calls.h"
#include "cow.h"
#include "cpu.h"
#include "debug.h"
#include "exec.h"
#include "files.h"
#include "fork_calls.h"
#include "frames.h"
#include "gdt.h"
#include "idt.h"
#include "int80.h"
#include "kernel_half.h"
#include "kernel_space.h"
#include "kernel_stack.h"
#include "kill.h"
#include "lab5.h"
#include "memory_calls.h"
#include "panic.h"
#include "print.h"
#include "process.h"
#include "process_calls.h"
#include "programs.h"
#include "report.h"
#include "scheduler.h"
#include "serial.h"
#include "syscall_entry.h"
#include "timer.h"
#include "trap.h"
#include "user_fault.h"
#include "user_frames.h"
#include "user_memory.h"
#include "window.h"
#include "writev.h"
#include "x86.h"

void kmain(uint32_t boot_info)
{
    serial_init();
    kprintf("Rung lab 5: in long mode at %p\n", (void *)kmain);
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
    must(kernel_half_init());
    must(kernel_stacks_init());
    user_faults_init();
    debug_init();
    int80_init();
    console_calls_init();
    init_syscall();
    user_memory_init();
    memory_calls_init();
    process_calls_init();
    writev_init();
    must(user_frames_init());
    cow_init();
    file_calls_init();
    fork_calls_init();
    kill_call_init();
    exec_call_init();
    timer_init();
    sched_init();
    sti();

    kernel_ready();
    uint64_t free_before = frames_free();
    if (!programs_baseline())
        panic("the direct-execution test has failed: nothing else is run");
    programs_run();
    kprintf("processes: %u; frames: %lu free before, %lu after\n", processes_started(), free_before,
            frames_free());
    kprintf("Rung lab 5: done\n");
    machine_exit(EXIT_OK);
}
