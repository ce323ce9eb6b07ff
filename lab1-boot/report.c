/* report.c: an exception in words. A fault that explains itself is half repaired. */
#include "report.h"
#include "not_written.h"
#include "panic.h"
#include "print.h"
#include "x86.h"

/* Bits of an error code that names a selector (Intel SDM vol. 3A 6.13, figure 6-7). */
#define SELECTOR_EXTERNAL 0x1
#define SELECTOR_IN_IDT 0x2
#define SELECTOR_IN_LDT 0x4

static const char *const names[] = {
    [VECTOR_DE] = "#DE divide error",
    [VECTOR_DB] = "#DB debug exception",
    [VECTOR_NMI] = "NMI non-maskable interrupt",
    [VECTOR_BP] = "#BP breakpoint",
    [VECTOR_OF] = "#OF overflow",
    [VECTOR_BR] = "#BR bound range exceeded",
    [VECTOR_UD] = "#UD invalid opcode",
    [VECTOR_NM] = "#NM device not available",
    [VECTOR_DF] = "#DF double fault",
    [VECTOR_TS] = "#TS invalid TSS",
    [VECTOR_NP] = "#NP segment not present",
    [VECTOR_SS] = "#SS stack-segment fault",
    [VECTOR_GP] = "#GP general protection",
    [VECTOR_PF] = "#PF page fault",
    [VECTOR_MF] = "#MF x87 floating-point error",
    [VECTOR_AC] = "#AC alignment check",
    [VECTOR_MC] = "#MC machine check",
    [VECTOR_XM] = "#XM SIMD floating-point exception",
    [VECTOR_VE] = "#VE virtualization exception",
    [VECTOR_CP] = "#CP control protection",
    [VECTOR_HV] = "#HV hypervisor injection",
    [VECTOR_VC] = "#VC VMM communication",
    [VECTOR_SX] = "#SX security exception",
};

const char *vector_name(uint64_t vector)
{
    if (vector < ARRAY_SIZE(names) && names[vector] != NULL)
        return names[vector];
    return vector < 32 ? "reserved exception" : "interrupt";
}

/* { solution 1.7 */
static void describe_page_fault(char *text, size_t size, uint64_t error)
{
    const char *access = "read", *why = "page not present";
    if (error & PF_FETCH)
        access = "fetch";
    else if (error & PF_WRITE)
        access = "write";
    if (error & PF_RESERVED)
        why = "reserved bit set";
    else if (error & PF_PRESENT)
        why = "protection violation";
    ksnprintf(text, size, "%s %s: %s", error & PF_USER ? "user" : "kernel", access, why);
}

static void describe_selector(char *text, size_t size, uint64_t error)
{
    const char *table = "GDT";
    if (error & SELECTOR_IN_IDT)
        table = "IDT";
    else if (error & SELECTOR_IN_LDT)
        table = "LDT";
    ksnprintf(text, size, "%s entry %lu%s", table, (error & 0xffff) >> 3,
              error & SELECTOR_EXTERNAL ? ", external event" : "");
}
/* } solution */

/*
 * Exercise 1.7 (5 points). Say the error code in words. For #PF, with the bits of SDM vol. 3A 4.7:
 *
 *     <kernel|user> <read|write|fetch>: <page not present|protection violation|reserved bit set>
 *
 * A fetch is never a write, and a reserved bit is named even though PF_PRESENT is set too. For #TS,
 * #NP, #SS and #GP, if the error code is not 0:
 *
 *     <GDT|LDT|IDT> entry <index>                 and then, if SELECTOR_EXTERNAL: , external event
 *
 * where the index is the code without its three lowest bits, in decimal, divided by 8, and
 * SELECTOR_IN_IDT comes before SELECTOR_IN_LDT. For everything else the text is empty.
 */
void describe_error(char *text, size_t size, uint64_t vector, uint64_t error)
{
    /* { solution 1.7 */
    bool has_selector = vector == VECTOR_TS || vector == VECTOR_NP || vector == VECTOR_SS ||
                        vector == VECTOR_GP;
    if (vector == VECTOR_PF)
        describe_page_fault(text, size, error);
    else if (has_selector && error != 0)
        describe_selector(text, size, error);
    else
        ksnprintf(text, size, "%s", "");
    /* } solution */
}

static void print_registers(const struct trap_frame *f)
{
    kprintf("  rip %016lx  rflags %016lx  cs %04lx  ss %04lx\n", f->rip, f->rflags, f->cs, f->ss);
    kprintf("  rax %016lx  rbx %016lx  rcx %016lx  rdx %016lx\n", f->rax, f->rbx, f->rcx, f->rdx);
    kprintf("  rsi %016lx  rdi %016lx  rbp %016lx  rsp %016lx\n", f->rsi, f->rdi, f->rbp, f->rsp);
    kprintf("  r8  %016lx  r9  %016lx  r10 %016lx  r11 %016lx\n", f->r8, f->r9, f->r10, f->r11);
    kprintf("  r12 %016lx  r13 %016lx  r14 %016lx  r15 %016lx\n", f->r12, f->r13, f->r14, f->r15);
    kprintf("  cr0 %016lx  cr2 %016lx  cr3 %016lx  cr4 %016lx\n", read_cr0(), read_cr2(),
            read_cr3(), read_cr4());
}

void report_line(const struct trap_frame *frame)
{
    char words[100];
    describe_error(words, sizeof(words), frame->vector, frame->error);
    kprintf("%s (vector %lu) at %016lx, error code %#lx%s%s\n", vector_name(frame->vector),
            frame->vector, frame->rip, frame->error, words[0] != '\0' ? ": " : "", words);
}

void report_and_go_on(struct trap_frame *frame)
{
    report_line(frame);
}

void report_trap(const struct trap_frame *frame)
{
    kprintf("\nPANIC: ");
    report_line(frame);
    if (frame->vector == VECTOR_PF)
        kprintf("  the address was %016lx\n", read_cr2());
    print_registers(frame);
    print_backtrace(frame->rip, frame->rbp);
}
