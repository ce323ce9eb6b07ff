/* kpti.c: shadow tables. */
#include "kpti.h"
#include "entry_area.h"
#include "frames.h"
#include "kernel_space.h"
#include "not_written.h"
#include "panic.h"
#include "pcid.h"
#include "percpu.h"
#include "print.h"
#include "string.h"
#include "window.h"
#include "x86.h"

#define SPLIT (PTE_ENTRIES / 2) /* entries of the user half come before it */
#define LAST (PTE_ENTRIES - 1)  /* the entry that leads to the entry area */

static bool active;
static pte_t way_to_entry_area; /* the last entry of every shadow */

extern void (*leave_to_user)(void); /* entry.asm */
void entry_leave(void);
void entry_syscall(void);

bool kpti_is_active(void)
{
    return active;
}

error_t kpti_allocate_pair(paddr_t *root)
{
    return active ? frame_alloc_pair(root) : frame_alloc(root);
}

void kpti_free_pair(paddr_t root)
{
    must(frame_free(root));
    if (active)
        must(frame_free(paddr_add(root, PAGE_SIZE)));
}

static pte_t *shadow_of(paddr_t root)
{
    return phys_to_virt(paddr(root.raw | SHADOW_BIT));
}

/*
 * Exercise 6.2 (20 points), first part. Make the shadow, as kpti.h says: way_to_entry_area is its
 * last entry. Mark the table itself with PTE_PAIR in its last entry, for kpti_mirror.
 */
void kpti_create_shadow_tables(paddr_t root)
{
    if (!active)
        return;
    /* { solution 6.2 */
    pte_t *table = phys_to_virt(root), *shadow = shadow_of(root);
    memcpy(shadow, table, SPLIT * sizeof(pte_t));
    memset(&shadow[SPLIT], 0, (PTE_ENTRIES - SPLIT) * sizeof(pte_t));
    shadow[LAST] = way_to_entry_area;
    table[LAST] |= PTE_PAIR;
    /* } solution */
}

/*
 * Second part. The table of an entry begins at the page that the entry is in. Only a level-4 table
 * with a shadow has PTE_PAIR in its last entry.
 */
void kpti_mirror(const pte_t *entry)
{
    if (!active)
        return;
    /* { solution 6.2 */
    const pte_t *table = (const void *)round_down((vaddr_t)entry, PAGE_SIZE);
    size_t index = (size_t)(entry - table);
    const pte_t paired = PTE_PRESENT | PTE_PAIR;
    if (index < SPLIT && (table[LAST] & paired) == paired)
        ((pte_t *)((vaddr_t)table | SHADOW_BIT))[index] = *entry;
    /* } solution */
}

/* Exercise 6.3 (10 points). The three ways to be wrong, each with its message. */
bool kpti_validate_shadow_tables(paddr_t root)
{
    if (!active)
        return false;
    /* { solution 6.3 */
    const pte_t *table = phys_to_virt(root), *shadow = shadow_of(root);
    for (unsigned i = 0; i < SPLIT; i++) {
        if (((table[i] ^ shadow[i]) & ~(uint64_t)PTE_ACCESSED) != 0) {
            kprintf("[KPTI] Mismatch at L4[%u]: kernel=%#lx, shadow=%#lx\n", i, table[i],
                    shadow[i]);
            return false;
        }
    }
    for (unsigned i = SPLIT; i < LAST; i++) {
        if (pte_present(shadow[i])) {
            kprintf("[KPTI] Shadow L4[%u] unexpectedly present: %#lx\n", i, shadow[i]);
            return false;
        }
    }
    if (((shadow[LAST] ^ way_to_entry_area) & ~(uint64_t)PTE_ACCESSED) != 0) {
        kprintf("[KPTI] Shadow L4[%u] (trampoline) not present\n", LAST);
        return false;
    }
    return true;
    /* } solution */
}

bool kpti_get_page_tables(paddr_t root, uint64_t *kernel_cr3, uint64_t *shadow_cr3)
{
    if (!active)
        return false;
    *kernel_cr3 = root.raw;
    *shadow_cr3 = (root.raw ^ percpu.cr3_switch) & ~CR3_NO_FLUSH;
    return true;
}

/* NMIs come while the kernel's own table is in use, too, and clear SHADOW_BIT: it must be aligned. */
static error_t align_kernel_root(void)
{
    if (is_aligned(kernel_root.raw, 2 * PAGE_SIZE))
        return OK;
    paddr_t pair, old = kernel_root;
    error_t error = frame_alloc_pair(&pair);
    if (error != OK)
        return error;
    memcpy(phys_to_virt(pair), phys_to_virt(old), PAGE_SIZE);
    kernel_root = pair;
    write_cr3(pair.raw);
    must(frame_free(old));
    must(frame_free(paddr_add(pair, PAGE_SIZE)));
    return OK;
}

/*
 * What entry.asm exchanges the tables with. With PCIDs that is also the number, and either way
 * CR3_NO_FLUSH, which CR3 reads as 0 and which must not be set without PCIDs (SDM vol. 3A 4.10.4.1).
 */
static void choose_cr3_switch(void)
{
    percpu.cr3_switch = SHADOW_BIT;
    if (pcids_use())
        percpu.cr3_switch |= SHADOW_PCID | CR3_NO_FLUSH;
}

void kpti_init(void)
{
    must(entry_area_map_percpu());
    if (!kpti_is_wanted()) {
        kprintf("[KPTI] Off\n");
        return;
    }
    error_t error = align_kernel_root();
    if (error == OK)
        error = entry_area_create(&way_to_entry_area);
    if (error != OK) {
        kprintf("[KPTI] Not initialized: %s. Running without page-table isolation.\n",
                error_words(error));
        return;
    }
    entry_area_use();
    choose_cr3_switch();
    leave_to_user = entry_leave;
    active = true;
    kprintf("[KPTI] Initialized: entry area at %#lx, kernel CR3=%#lx%s\n", TRAMPOLINE_VADDR,
            kernel_root.raw, percpu.cr3_switch & SHADOW_PCID ? ", PCIDs" : "");
}

void kpti_init_syscall(void)
{
    if (active)
        wrmsr(MSR_LSTAR, (uint64_t)entry_syscall);
}
