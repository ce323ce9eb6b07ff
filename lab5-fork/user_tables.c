/* user_tables.c: the tables of a program, without what is known to be empty. */
#include "user_tables.h"
#include "frames.h"
#include "panic.h"
#include "user_frames.h"
#include "window.h"

/* How many of a table's entries stand for addresses below this one, as a whole. */
static unsigned entries_below(const struct table *table, vaddr_t address)
{
    if (address <= table->base)
        return 0;
    uint64_t entries = (address - table->base) >> pte_shift(table->level);
    return entries < PTE_ENTRIES ? (unsigned)entries : PTE_ENTRIES;
}

/* Every entry that lies in the gap as a whole: none if there is no gap. */
static void find_gap(struct table *table)
{
    table->gap_start = entries_below(table, table->gap.start + pte_span(table->level) - 1);
    table->gap_end = entries_below(table, table->gap.end);
}

struct table table_at_root(paddr_t root, struct gap gap)
{
    struct table table = {
        .entries = phys_to_virt(root),
        .level = PTE_TOP_LEVEL,
        .end = PTE_ENTRIES / 2,
        .gap = gap,
    };
    find_gap(&table);
    return table;
}

struct table table_below(const struct table *table, unsigned i)
{
    struct table below = {
        .entries = phys_to_virt(pte_frame(table->entries[i])),
        .level = table->level - 1,
        .end = PTE_ENTRIES,
        .base = table->base + i * pte_span(table->level),
        .gap = table->gap,
    };
    find_gap(&below);
    return below;
}

unsigned table_next(const struct table *table, unsigned i)
{
    if (i < table->gap_end) {
        i = pte_next(table->entries, i, table->gap_start);
        if (i < table->gap_start)
            return i;
        i = table->gap_end;
    }
    return pte_next(table->entries, i, table->end);
}

static void free_below(const struct table *table)
{
    for (unsigned i = table_next(table, 0); i < table->end; i = table_next(table, i + 1)) {
        paddr_t frame = pte_frame(table->entries[i]);
        if (table->level == 1) {
            user_frame_release(frame);
            continue;
        }
        struct table below = table_below(table, i);
        free_below(&below);
        table->entries[i] = 0;
        must(frame_free(frame));
    }
}

void user_tables_free(paddr_t root, struct gap gap)
{
    struct table table = table_at_root(root, gap);
    free_below(&table);
}
