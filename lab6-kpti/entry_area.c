/* entry_area.c: code, tables and stacks at the end of memory, for the kernel's first instructions. */
#include "entry_area.h"
#include "bootinfo.h"
#include "frames.h"
#include "gdt.h"
#include "idt.h"
#include "kernel_space.h"
#include "not_written.h"
#include "paging.h"
#include "panic.h"
#include "sections.h"
#include "string.h"
#include "window.h"
#include "x86.h"

extern const char entry_stubs[];

static uint64_t *const entry_gdt = (uint64_t *)ENTRY_GDT;
static struct tss *const entry_tss = (struct tss *)ENTRY_TSS;
static struct gate *const entry_idt = (struct gate *)ENTRY_IDT;

/* Is this one of the words of the command line? */
static bool is_asked_for(const char *word)
{
    size_t length = strlen(word);
    for (const char *line = bootinfo_command_line(); *line != '\0';) {
        if (strncmp(line, word, length) == 0 && (line[length] == ' ' || line[length] == '\0'))
            return true;
        while (*line != ' ' && *line != '\0')
            line++;
        while (*line == ' ')
            line++;
    }
    return false;
}

/* CPUID and IA32_ARCH_CAPABILITIES say RDCL_NO: not vulnerable to Meltdown (SDM vol. 4, table 2-2). */
static bool processor_is_safe(void)
{
    if (cpuid(0, 0).eax < CPUID_FEATURES)
        return false;
    bool tells = (cpuid(CPUID_FEATURES, 0).edx & CPUID_FEATURES_EDX_ARCH_CAPABILITIES) != 0;
    return tells && (rdmsr(MSR_ARCH_CAPABILITIES) & ARCH_CAPABILITIES_RDCL_NO) != 0;
}

bool kpti_is_wanted(void)
{
    if (is_asked_for("pti=on"))
        return true;
    return !is_asked_for("pti=off") && !processor_is_safe();
}

/* Map a new frame of zeroes at a page of the entry area. */
static error_t map_new_page(vaddr_t address)
{
    paddr_t frame;
    error_t error = frame_alloc(&frame);
    if (error != OK)
        return error;
    memset(phys_to_virt(frame), 0, PAGE_SIZE);
    error = map_page(kernel_root, address, frame, READ_WRITE);
    if (error != OK)
        must(frame_free(frame));
    return error;
}

error_t entry_area_map_percpu(void)
{
    return map_new_page(ENTRY_PERCPU);
}

static error_t map_code(void)
{
    paddr_t code = image_paddr(entry_image_start);
    error_t error = OK;
    for (unsigned i = 0; error == OK && i < ENTRY_CODE_PAGES; i++)
        error = map_page(kernel_root, TRAMPOLINE_VADDR + i * PAGE_SIZE,
                         paddr_add(code, i * PAGE_SIZE), READ_EXECUTE);
    return error;
}

/* The pages of tables and stacks: see layout.h. What is not here is a guard. */
static error_t map_data(void)
{
    static const vaddr_t pages[] = {
        ENTRY_IDT,
        ENTRY_GDT,
        ENTRY_STACK_TOP - PAGE_SIZE,
        ENTRY_NMI_TOP - PAGE_SIZE,
        ENTRY_DEBUG_TOP - PAGE_SIZE,
        ENTRY_DOUBLE_FAULT_TOP - PAGE_SIZE,
        ENTRY_MACHINE_CHECK_TOP - PAGE_SIZE,
    };
    error_t error = OK;
    for (size_t i = 0; error == OK && i < ARRAY_SIZE(pages); i++)
        error = map_new_page(pages[i]);
    return error;
}

/* Give back what is mapped so far, but the page of percpu. The frames of the code are the image's. */
static void unmap_all(void)
{
    for (unsigned i = 0; i < ENTRY_PAGES; i++) {
        vaddr_t page = TRAMPOLINE_VADDR + i * PAGE_SIZE;
        paddr_t frame;
        if (page == ENTRY_PERCPU || unmap_page(kernel_root, page, &frame) != OK)
            continue;
        if (i >= ENTRY_CODE_PAGES)
            must(frame_free(frame));
    }
}

/*
 * Exercise 6.1 (20 points). The chain: *way leads to a new level-3 table, the last entry of that to
 * a new level-2 table, and the last entry of that to the level-1 table of the entry area, which is
 * the kernel's own (walk finds an entry of it): it has nothing else in it. Tables permit writing,
 * and nothing to ring 3. ERROR_NO_FRAMES, and nothing is kept.
 */
static error_t make_chain(pte_t *way)
{
    /* { solution 6.1 */
    *way = 0;
    pte_t *entry = way;
    paddr_t table;
    for (unsigned level = PTE_TOP_LEVEL; level > 2; level--) {
        error_t error = ensure_table_present(entry, false, &table);
        if (error != OK) {
            if (*way != 0)
                must(frame_free(pte_frame(*way)));
            return error;
        }
        entry = (pte_t *)phys_to_virt(table) + PTE_ENTRIES - 1;
    }
    unsigned level;
    const pte_t *page = walk(kernel_root, TRAMPOLINE_VADDR, &level);
    uint64_t level1 = round_down((vaddr_t)page, PAGE_SIZE) - phys_offset();
    *entry = level1 | PTE_PRESENT | PTE_WRITABLE;
    return OK;
    /* } solution */
}

error_t entry_area_create(pte_t *way)
{
    error_t error = map_code();
    if (error == OK)
        error = map_data();
    if (error == OK)
        error = make_chain(way);
    if (error != OK)
        unmap_all();
    return error;
}

/* The same descriptors, but for the TSS, which is the one here. */
static void fill_gdt(void)
{
    memcpy(entry_gdt, gdt, sizeof(gdt));
    tss_descriptor(&entry_gdt[SELECTOR_TSS / 8], entry_tss);
    entry_tss->rsp[0] = ENTRY_STACK_TOP;
    entry_tss->ist[IST_NMI - 1] = ENTRY_NMI_TOP;
    entry_tss->ist[IST_DOUBLE_FAULT - 1] = ENTRY_DOUBLE_FAULT_TOP;
    entry_tss->ist[IST_MACHINE_CHECK - 1] = ENTRY_MACHINE_CHECK_TOP;
    entry_tss->ist[IST_DEBUG - 1] = ENTRY_DEBUG_TOP;
    entry_tss->io_map_base = sizeof(*entry_tss);
}

/* The same gates, but each leads to the stub here. */
static void fill_idt(void)
{
    for (unsigned vector = 0; vector < VECTORS; vector++) {
        vaddr_t stub = (vaddr_t)entry_stubs + vector * ENTRY_STUB_SIZE;
        entry_idt[vector] = idt[vector];
        entry_idt[vector].offset_low = (uint16_t)stub;
        entry_idt[vector].offset_middle = (uint16_t)(stub >> 16);
        entry_idt[vector].offset_high = (uint32_t)(stub >> 32);
    }
}

void entry_area_use(void)
{
    fill_gdt();
    fill_idt();
    struct descriptor_pointer gdt_pointer = {sizeof(gdt) - 1, ENTRY_GDT};
    struct descriptor_pointer idt_pointer = {VECTORS * sizeof(struct gate) - 1, ENTRY_IDT};
    lgdt(&gdt_pointer);
    ltr(SELECTOR_TSS); /* writes to the GDT: marks the TSS as busy. The last write that there is. */
    lidt(&idt_pointer);
    must(protect_page(kernel_root, ENTRY_GDT, READ_ONLY));
    must(protect_page(kernel_root, ENTRY_IDT, READ_ONLY));
}
