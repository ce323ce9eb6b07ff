/*
 * paging.c: page tables.
 *
 * The processor walks four levels of tables for every address (Intel SDM vol. 3A 4.5). Here the
 * kernel walks them too, in the window, to find and change entries. Rights are ANDed on the way
 * down, so tables permit all that makes sense and the last entry decides.
 */
#include "paging.h"
#include "frames.h"
#include "not_written.h"
#include "panic.h"
#include "string.h"
#include "tlb.h"
#include "window.h"
#include "x86.h"

#define MAP_FLAGS (PTE_WRITABLE | PTE_USER | PTE_NO_EXECUTE | PTE_WRITE_THROUGH | PTE_CACHE_DISABLE)

static pte_t *table_at(paddr_t table)
{
    return phys_to_virt(table);
}

/* Bits 48-63 repeat bit 47 (SDM vol. 1 3.3.7.1). */
static bool is_canonical(vaddr_t address)
{
    return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}

static bool in_kernel_half(vaddr_t address)
{
    return address >= WINDOW_BASE;
}

/* Exercise 2.3 (10 points). Look up, as paging.h says; pte.h has the parts. */
pte_t *walk(paddr_t root, vaddr_t address, unsigned *level)
{
    /* { solution 2.3 */
    paddr_t table = root;
    for (*level = PTE_TOP_LEVEL;; (*level)--) {
        pte_t *entry = &table_at(table)[pte_index(address, *level)];
        if (!pte_present(*entry) || pte_is_page(*entry, *level))
            return entry;
        table = pte_frame(*entry);
    }
    /* } solution */
}

error_t translate(paddr_t root, vaddr_t address, paddr_t *physical)
{
    /* { solution 2.3 */
    if (!is_canonical(address))
        return ERROR_NOT_CANONICAL;
    unsigned level;
    pte_t entry = *walk(root, address, &level);
    if (!pte_present(entry))
        return ERROR_NOT_MAPPED;
    uint64_t offset = address & (pte_span(level) - 1);
    *physical = paddr(round_down(pte_frame(entry).raw, pte_span(level)) + offset);
    return OK;
    /* } solution */
}

/*
 * Exercise 2.4 (15 points), first part: ensure_table_present, as paging.h says. What is in a frame
 * that frame_alloc returns? Anything.
 */
static error_t make_table_present(pte_t *entry, bool user, paddr_t *table)
{
    /* { solution 2.4 */
    if (pte_present(*entry) && (*entry & PTE_LARGE) != 0)
        return ERROR_LARGE_PAGE;
    if (!pte_present(*entry)) {
        paddr_t frame;
        error_t error = frame_alloc(&frame);
        if (error != OK)
            return error;
        memset(table_at(frame), 0, PAGE_SIZE);
        *entry = frame.raw | PTE_PRESENT;
    }
    *entry |= PTE_WRITABLE | (user ? PTE_USER : 0);
    *table = pte_frame(*entry);
    return OK;
    /* } solution */
}

error_t ensure_table_present(pte_t *entry, bool user, paddr_t *table)
{
    error_t error = make_table_present(entry, user, table);
    table_entry_changed(entry);
    return error;
}

/* Give back the table that an entry leads to. */
static void remove_table(pte_t *entry)
{
    must(frame_free(pte_frame(*entry)));
    *entry = 0;
    table_entry_changed(entry);
}

static bool table_is_empty(paddr_t table)
{
    const pte_t *entries = table_at(table);
    for (unsigned i = 0; i < PTE_ENTRIES; i++)
        if (entries[i] != 0)
            return false;
    return true;
}

/* The highest level of an entry whose table unmap_page may give back: see there. */
static unsigned highest_given_back(vaddr_t address)
{
    return in_kernel_half(address) ? PTE_TOP_LEVEL - 1 : PTE_TOP_LEVEL;
}

/*
 * Exercise 2.5 (15 points), first part. Give back the tables on the way to `address` that are
 * empty, from the lowest up (remove_table). The tables that entries above level `top` lead to stay,
 * and the root. Does nothing if the tables have members. The processor caches tables too (SDM vol.
 * 3A 4.10.3), so in the end forget what it knows about the address (tlb_flush_page).
 */
static void free_empty_tables(paddr_t root, vaddr_t address, unsigned top)
{
    /* { solution 2.5 */
    pte_t *path[PTE_TOP_LEVEL + 1]; /* by level: the entries that lead to a table */
    unsigned level = PTE_TOP_LEVEL;
    for (paddr_t table = root;; level--) {
        path[level] = &table_at(table)[pte_index(address, level)];
        if (!pte_present(*path[level]) || pte_is_page(*path[level], level))
            break;
        table = pte_frame(*path[level]);
    }
    for (level++; level <= top && table_is_empty(pte_frame(*path[level])); level++)
        remove_table(path[level]);
    tlb_flush_page(address);
    /* } solution */
}

/* Which flags a page at this address may have. Nothing is ever writable and executable at once. */
static error_t check_flags(vaddr_t address, uint64_t flags)
{
    bool unknown = (flags & ~MAP_FLAGS) != 0;
    bool user_in_kernel_half = (flags & PTE_USER) != 0 && in_kernel_half(address);
    bool write_and_execute = (flags & PTE_WRITABLE) != 0 && (flags & PTE_NO_EXECUTE) == 0;
    return unknown || user_in_kernel_half || write_and_execute ? ERROR_FLAGS : OK;
}

/* What map_page promises to refuse, but for ERROR_ALREADY_MAPPED. */
static error_t check_mapping(vaddr_t address, paddr_t frame, uint64_t flags, uint64_t size)
{
    if (!is_canonical(address))
        return ERROR_NOT_CANONICAL;
    if (!is_aligned(address, size) || !is_aligned(frame.raw, size))
        return ERROR_UNALIGNED;
    if (address < USER_START)
        return ERROR_PAGE_ZERO;
    if (!in_kernel_half(address) && address + size > USER_END)
        return ERROR_NOT_USER;
    if ((frame.raw & ~PTE_FRAME_MASK) != 0)
        return ERROR_PHYSICAL_RANGE;
    return check_flags(address, flags);
}

/*
 * Exercise 2.4, second part. Put the entry of `level` for `address` in its place, making the tables
 * on the way. Addresses and flags have been checked. If a page is there, of whatever size, or the
 * table of smaller ones: ERROR_ALREADY_MAPPED. On an error nothing has changed: free_empty_tables
 * gives back what was made in vain, up to the entry that was the first not present. There is nothing
 * to flush for the new page: no processor keeps a translation for one that is not present (SDM vol.
 * 3A 4.10.2.3), so whoever removed one had to flush it then.
 */
static error_t place(paddr_t root, vaddr_t address, pte_t value, unsigned level)
{
    /* { solution 2.4 */
    unsigned top;
    pte_t *entry = walk(root, address, &top);
    if (pte_present(*entry) || top < level)
        return ERROR_ALREADY_MAPPED;

    paddr_t table = root;
    for (unsigned l = PTE_TOP_LEVEL; l > level; l--) {
        entry = &table_at(table)[pte_index(address, l)];
        error_t error = ensure_table_present(entry, !in_kernel_half(address), &table);
        if (error != OK) {
            free_empty_tables(root, address, top);
            return error;
        }
    }
    table_at(table)[pte_index(address, level)] = value;
    return OK;
    /* } solution */
}

error_t map_page(paddr_t root, vaddr_t address, paddr_t frame, uint64_t flags)
{
    error_t error = check_mapping(address, frame, flags, PAGE_SIZE);
    return error != OK ? error : place(root, address, frame.raw | flags | PTE_PRESENT, 1);
}

error_t map_user_page(paddr_t root, vaddr_t address, paddr_t frame, uint64_t flags)
{
    if (is_canonical(address) && in_kernel_half(address))
        return ERROR_NOT_USER;
    return map_page(root, address, frame, flags | PTE_USER);
}

error_t map_large_page(paddr_t root, vaddr_t address, paddr_t frame, uint64_t flags, unsigned level)
{
    error_t error = check_mapping(address, frame, flags, pte_span(level));
    if (error != OK)
        return error;
    return place(root, address, frame.raw | flags | PTE_LARGE | PTE_PRESENT, level);
}

unsigned largest_page_level(void)
{
    bool has_1gb = (cpuid(CPUID_EXTENDED_FEATURES, 0).edx & CPUID_EXTENDED_EDX_PAGE1GB) != 0;
    return has_1gb ? 3 : 2;
}

/*
 * Exercise 2.6 (10 points). Split, as paging.h says. The new table is complete before the entry
 * leads to it, and the entry to it permits all; the pages have the old rights. In an entry of level
 * 1 the bit of PTE_LARGE means something else (SDM vol. 3A table 4-20). The caller flushes the TLB.
 */
error_t split_large_page(pte_t *entry, unsigned level)
{
    /* { solution 2.6 */
    paddr_t table;
    error_t error = frame_alloc(&table);
    if (error != OK)
        return error;
    uint64_t span = pte_span(level - 1);
    uint64_t flags = *entry & ~PTE_FRAME_MASK;
    if (level - 1 == 1)
        flags &= ~(uint64_t)PTE_LARGE;
    paddr_t frame = paddr(round_down(pte_frame(*entry).raw, pte_span(level)));
    for (unsigned i = 0; i < PTE_ENTRIES; i++)
        table_at(table)[i] = (frame.raw + i * span) | flags;
    *entry = table.raw | PTE_PRESENT | PTE_WRITABLE | (*entry & PTE_USER);
    return OK;
    /* } solution */
}

/* The entry of level 1 for a page that is mapped, in *entry; a large page in the way is split. */
static error_t walk_to_page(paddr_t root, vaddr_t address, pte_t **entry)
{
    if (!is_canonical(address))
        return ERROR_NOT_CANONICAL;
    if (!is_aligned(address, PAGE_SIZE))
        return ERROR_UNALIGNED;
    for (;;) {
        unsigned level;
        *entry = walk(root, address, &level);
        if (!pte_present(**entry))
            return ERROR_NOT_MAPPED;
        if (level == 1)
            return OK;
        error_t error = split_large_page(*entry, level);
        if (error != OK)
            return error;
        if (!in_kernel_half(address))
            **entry |= PTE_USER; /* tables permit, pages decide */
        tlb_flush_page(address); /* one is enough for the whole large page (SDM vol. 3A 4.10.4.1) */
    }
}

/* Exercise 2.5, second part. walk_to_page does the checks; the TLB does not notice by itself. */
error_t unmap_page(paddr_t root, vaddr_t address, paddr_t *frame)
{
    /* { solution 2.5 */
    pte_t *entry;
    error_t error = walk_to_page(root, address, &entry);
    if (error != OK)
        return error;
    *frame = pte_frame(*entry);
    *entry = 0;
    tlb_flush_page(address);
    free_empty_tables(root, address, highest_given_back(address));
    return OK;
    /* } solution */
}

error_t protect_page(paddr_t root, vaddr_t address, uint64_t flags)
{
    /* { solution 2.5 */
    error_t error = check_flags(address, flags);
    if (error != OK)
        return error;
    pte_t *entry;
    error = walk_to_page(root, address, &entry);
    if (error != OK)
        return error;
    *entry = pte_frame(*entry).raw | flags | PTE_PRESENT;
    tlb_flush_page(address);
    return OK;
    /* } solution */
}
