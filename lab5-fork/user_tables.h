/*
 * user_tables.h: the tables of a program, and where in them to look.
 *
 * A program's memory begins with its segments and its heap and ends with its stack. Nearly all of
 * the 128 TiB lies between, and nothing is mapped there. Who copies or frees a program goes through
 * its tables, and a table has 512 entries: it pays not to look at those that stand for the gap.
 */
#ifndef USER_TABLES_H
#define USER_TABLES_H

#include "pte.h"

/* No page is mapped from start up to end. If start is not below end, there is no gap. */
struct gap {
    vaddr_t start, end;
};

/* A table of a program's, and what its entries stand for. */
struct table {
    pte_t *entries;
    unsigned level;
    unsigned end;                /* one past the last entry that is the program's */
    unsigned gap_start, gap_end; /* these entries stand for nothing but the gap */
    vaddr_t base;                /* the address that entry 0 stands for */
    struct gap gap;
};

/* The level-4 table of an address space with this gap. */
struct table table_at_root(paddr_t root, struct gap gap);

/* The table that an entry leads to. */
struct table table_below(const struct table *table, unsigned i);

/* The first entry from `i` on that is not 0, and not in the gap; or table->end. */
unsigned table_next(const struct table *table, unsigned i);

/*
 * Give back every frame that the user half maps, and all tables of it but the root, which is empty
 * then (but not lab 6's shadow of it). It must not be the address space in use.
 */
void user_tables_free(paddr_t root, struct gap gap);

#endif
