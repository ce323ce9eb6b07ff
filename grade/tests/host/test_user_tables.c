/* test_user_tables.c: the entries that are found, beside all entries that there are. */
#include "host.h"

#include "user_tables.c"

static pte_t tables[4][PTE_ENTRIES] __attribute__((aligned(4096)));
static pte_t *const memory = tables[0]; /* one table will do for those that only look */
static unsigned tables_freed, pages_freed;

void *phys_to_virt(paddr_t address)
{
    return tables[address.raw / PAGE_SIZE % 4];
}

error_t frame_free(paddr_t frame)
{
    tables_freed++;
    return OK;
}

void must(error_t error)
{
    expect_equal(error, OK);
}

void user_frame_release(paddr_t frame)
{
    pages_freed++;
}

/* Entries by chance: from none at all to every one. */
static void fill(void)
{
    static const unsigned rarities[] = {1, 2, 9, 100, 10000};
    unsigned rarity = PICK(rarities);
    for (unsigned i = 0; i < PTE_ENTRIES; i++)
        memory[i] = one_in(rarity) ? rng() | PTE_PRESENT : 0;
}

/* An address near the edge of an entry of the table. */
static vaddr_t near(const struct table *table)
{
    return table->base + below(table->end + 1) * pte_span(table->level) + below(3) * PAGE_SIZE -
           PAGE_SIZE;
}

static bool in_gap(const struct table *table, unsigned i)
{
    vaddr_t start = table->base + i * pte_span(table->level);
    return start >= table->gap.start && start + pte_span(table->level) <= table->gap.end;
}

static void check_all(const struct table *table)
{
    for (unsigned from = 0; from <= table->end; from++) {
        unsigned i = from;
        while (i < table->end && (memory[i] == 0 || in_gap(table, i)))
            i++;
        attempt("table_next(level %u at %#lx, %u) with the gap %#lx-%#lx", table->level,
                table->base, from, table->gap.start, table->gap.end);
        expect_equal(table_next(table, from), i);
    }
}

static void finds_what_is_not_in_the_gap(void)
{
    for (int round = 0; round < 3000; round++) {
        struct table table = table_at_root(paddr(0), (struct gap){0, 0});
        while (table.level > 1 && !one_in(3))
            table = table_below(&table, (unsigned)below(table.end));
        table.entries = memory;
        fill();
        if (!one_in(5))
            table.gap = (struct gap){near(&table), near(&table)};
        if (one_in(5))
            table.gap.end = USER_END;
        find_gap(&table);
        check_all(&table);
    }
}

/* The gap of a table is found on the way down to it, too. */
static void tables_below_know_the_gap(void)
{
    for (int round = 0; round < 3000; round++) {
        vaddr_t start = below(USER_END), end = start + below(USER_END - start);
        struct table table = table_at_root(paddr(0), (struct gap){start, end});
        while (table.level > 1) {
            vaddr_t towards = one_in(2) ? start : end;
            table = table_below(&table, pte_index(towards, table.level));
        }
        table.entries = memory;
        fill();
        expect_equal(table.base, table.base & ~(pte_span(2) - 1));
        check_all(&table);
    }
}

/* A root, a table of each level below it, and seven pages. */
static void frees_each_once(void)
{
    tables[0][3] = 1 * PAGE_SIZE | PTE_PRESENT;
    tables[1][511] = 2 * PAGE_SIZE | PTE_PRESENT;
    tables[2][0] = 3 * PAGE_SIZE | PTE_PRESENT;
    for (unsigned i = 0; i < 7; i++)
        tables[3][i * 73] = (100 + i) * PAGE_SIZE | PTE_PRESENT;
    user_tables_free(paddr(0), (struct gap){0, 0});
    expect_equal(pages_freed, 7);
    expect_equal(tables_freed, 3);
    for (unsigned i = 0; i < PTE_ENTRIES; i++)
        expect_equal(tables[0][i], 0);
}

MAIN(TEST(finds_what_is_not_in_the_gap), TEST(tables_below_know_the_gap), TEST(frees_each_once))
