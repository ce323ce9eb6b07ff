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

static const char *const memory_type_names[] = {
    [MULTIBOOT2_MEMORY_AVAILABLE] = "available",
    [MULTIBOOT2_MEMORY_RESERVED] = "reserved",
    [MULTIBOOT2_MEMORY_ACPI_RECLAIMABLE] = "ACPI tables",
    [MULTIBOOT2_MEMORY_ACPI_NVS] = "ACPI NVS",
    [MULTIBOOT2_MEMORY_BAD] = "defective",
};

static void print_boot_info(void)
{
    kprintf("command line: %s\n", bootinfo_command_line());

    struct memory_region region;
    for (size_t i = 0; bootinfo_region(i, &region); i++) {
        const char *type = "unknown";
        if (region.type < ARRAY_SIZE(memory_type_names) && memory_type_names[region.type] != NULL)
            type = memory_type_names[region.type];
        kprintf("memory: %016lx + %12lx  %s\n", region.base, region.length, type);
    }

    struct boot_module module;
    for (size_t i = 0; bootinfo_module(i, &module); i++)
        kprintf("module: %016lx - %016lx  %s\n", module.start, module.end, module.command_line);
}

/* A breakpoint is the one exception here that does no harm: say where it was, and go on. */
static void on_breakpoint(struct trap_frame *frame)
{
    kprintf("%s at %016lx, and back again\n", vector_name(frame->vector), frame->rip);
}

void kmain(uint32_t boot_info)
{
    serial_init();
    kprintf("Rung lab 1: in long mode at %p\n", (void *)kmain);
    gdt_init();
    idt_init();
    trap_register(VECTOR_BP, on_breakpoint);

    error_t error = bootinfo_init(paddr(boot_info));
    if (error != OK)
        panic("%s", error_words(error));
    print_boot_info();

    kernel_ready();
    breakpoint();
    kprintf("Rung lab 1: done\n");
    machine_exit(EXIT_OK);
}
