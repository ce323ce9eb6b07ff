/* show.c: an address space as a person reads it. */
#include "kernel_space.h"
#include "print.h"
#include "pte.h"
#include "window.h"
#include "x86.h"

/* Pages of the same rights that follow each other. */
struct run {
    vaddr_t start;
    vaddr_t end; /* start == end: none yet */
    uint64_t rights;
};

#define RIGHTS (PTE_WRITABLE | PTE_USER | PTE_NO_EXECUTE)

static void print_run(const struct run *run)
{
    if (run->start == run->end)
        return;
    kprintf("space: %016lx - %016lx  %c%c%c%c %8lu KiB\n", run->start, run->end,
            run->rights & PTE_USER ? 'u' : '-', 'r', run->rights & PTE_WRITABLE ? 'w' : '-',
            run->rights & PTE_NO_EXECUTE ? '-' : 'x', (run->end - run->start) / 1024);
}

static void add_page(struct run *run, vaddr_t address, uint64_t size, uint64_t rights)
{
    if (run->start == run->end || address != run->end || rights != run->rights) {
        print_run(run);
        *run = (struct run){address, address, rights};
    }
    run->end += size;
}

/* Go through one table. `rights` is what the levels above permit; NX forbids, so it is ORed. */
static void show_table(struct run *run, paddr_t table, unsigned level, vaddr_t base,
                       uint64_t rights)
{
    const pte_t *entries = phys_to_virt(table);
    for (unsigned i = 0; i < PTE_ENTRIES; i++) {
        if (!pte_present(entries[i]))
            continue;
        vaddr_t address = base + i * pte_span(level);
        if (level == PTE_TOP_LEVEL && i >= PTE_ENTRIES / 2)
            address |= 0xffff000000000000; /* make it canonical */
        uint64_t here = (rights & entries[i] & (PTE_WRITABLE | PTE_USER)) |
                        ((rights | entries[i]) & PTE_NO_EXECUTE);
        if (pte_is_page(entries[i], level))
            add_page(run, address, pte_span(level), here);
        else
            show_table(run, pte_frame(entries[i]), level - 1, address, here);
    }
}

void kernel_space_print(void)
{
    struct run run = {0, 0, 0};
    show_table(&run, paddr(read_cr3() & PTE_FRAME_MASK), PTE_TOP_LEVEL, 0, PTE_WRITABLE | PTE_USER);
    print_run(&run);
}
