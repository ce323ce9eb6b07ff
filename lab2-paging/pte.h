/*
 * pte.h: one entry of a page table (Intel SDM vol. 3A 4.5.4, figure 4-11).
 *
 * A level is the number of the table that an entry stands in: 4 for the root down to 1. An entry of
 * level 1 maps a page of 4 KiB; with PTE_LARGE one of level 2 maps 2 MiB, and one of level 3 1 GiB.
 */
#ifndef PTE_H
#define PTE_H

#include "types.h"
#include "x86_bits.h"

typedef uint64_t pte_t;

#define PTE_ENTRIES 512
#define PTE_TOP_LEVEL 4

/* One entry of this level stands for 2 to this power bytes. */
static inline unsigned pte_shift(unsigned level)
{
    return PAGE_SHIFT + 9 * (level - 1);
}

/* Which entry of a table of this level is responsible for an address. */
static inline unsigned pte_index(vaddr_t address, unsigned level)
{
    return address >> pte_shift(level) & (PTE_ENTRIES - 1);
}

/* How much memory one entry of this level stands for. */
static inline uint64_t pte_span(unsigned level)
{
    return 1ULL << pte_shift(level);
}

static inline bool pte_present(pte_t entry)
{
    return (entry & PTE_PRESENT) != 0;
}

/* Does this entry map a page, rather than lead to another table? It must be present. */
static inline bool pte_is_page(pte_t entry, unsigned level)
{
    return level == 1 || (entry & PTE_LARGE) != 0;
}

/* Are these eight entries 0? */
static inline bool pte_eight_empty(const pte_t *e)
{
    return (e[0] | e[1] | e[2] | e[3] | e[4] | e[5] | e[6] | e[7]) == 0;
}

/*
 * The first entry from `i` on that is not 0, or `end`. Most tables are nearly empty, so it looks at
 * eight entries at a time: also at some behind `end`, but never behind the table.
 */
static inline unsigned pte_next(const pte_t *table, unsigned i, unsigned end)
{
    const pte_t *entry = &table[i], *stop = &table[end];
    for (; entry < stop; entry++) {
        if ((vaddr_t)entry % 64 == 0)
            while (entry < stop && pte_eight_empty(entry))
                entry += 8;
        if (entry < stop && *entry != 0)
            return (unsigned)(entry - table);
    }
    return end;
}

/* The table or frame that an entry points to. In a large page's entry bit 12 is not address. */
static inline paddr_t pte_frame(pte_t entry)
{
    return paddr(entry & PTE_FRAME_MASK);
}

#endif
