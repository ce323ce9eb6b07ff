/*
 * paging.h: page tables: look up, map, unmap, protect.
 *
 * `root` is the physical address of a level-4 table, what CR3 holds. It need not be the one in use.
 * Physical memory must be visible in the window (window.h).
 */
#ifndef PAGING_H
#define PAGING_H

#include "error.h"
#include "pte.h"

/* The flags that most pages have: never writable and executable at once. */
#define READ_EXECUTE 0
#define READ_ONLY PTE_NO_EXECUTE
#define READ_WRITE (PTE_WRITABLE | PTE_NO_EXECUTE)

/*
 * The entry that ends the translation of an address, and its level in *level: the entry of the page
 * that contains the address, if it is mapped, or else the first entry on the way down that is not
 * present. The address must be canonical. Allocates nothing.
 */
pte_t *walk(paddr_t root, vaddr_t address, unsigned *level);

/* The physical address of a virtual one. ERROR_NOT_CANONICAL, ERROR_NOT_MAPPED. */
error_t translate(paddr_t root, vaddr_t address, paddr_t *physical);

/*
 * The table that an entry leads to, in *table. If the entry is not present, a new table of zeroes
 * is made. The entry then permits all that the pages below may permit: it is writable, and open to
 * ring 3 if `user`; on an entry that was there these rights are added. ERROR_LARGE_PAGE if the
 * entry maps a page; ERROR_NO_FRAMES.
 */
error_t ensure_table_present(pte_t *entry, bool user, paddr_t *table);

/*
 * Map the 4 KiB page at `address` to a frame. `flags` are of PTE_WRITABLE, PTE_USER,
 * PTE_NO_EXECUTE, PTE_WRITE_THROUGH and PTE_CACHE_DISABLE; PTE_PRESENT is added.
 *
 * Errors, in this order of precedence, and nothing is changed then, tables included:
 *   ERROR_NOT_CANONICAL, ERROR_UNALIGNED (either address), ERROR_PAGE_ZERO (below USER_START),
 *   ERROR_NOT_USER (in the low half, but not all of it below USER_END), ERROR_PHYSICAL_RANGE (2^52
 *   or more),
 *   ERROR_FLAGS (any other flag, PTE_USER in the kernel's half, writable and executable at once),
 *   ERROR_ALREADY_MAPPED (by a page of any size), ERROR_NO_FRAMES.
 */
error_t map_page(paddr_t root, vaddr_t address, paddr_t frame, uint64_t flags);

/* The same for a page that ring 3 may use: adds PTE_USER; ERROR_NOT_USER in the kernel's half. */
error_t map_user_page(paddr_t root, vaddr_t address, paddr_t frame, uint64_t flags);

/* The same for pte_span(level) bytes: one entry of level 2 or, if the processor can, of level 3. */
error_t map_large_page(paddr_t root, vaddr_t address, paddr_t frame, uint64_t flags,
                       unsigned level);

/* The highest level that can map pages on this processor: 3, or 2 if it has no 1 GiB pages. */
unsigned largest_page_level(void);

/*
 * Remove the 4 KiB page at `address`; its frame in *frame, which remains the caller's to free.
 * Tables that became empty are given back (but never the root, nor a level-3 table of the kernel's
 * half: from lab 3 on all address spaces share those). A large page is split first, so
 * ERROR_NO_FRAMES is possible. ERROR_NOT_CANONICAL, ERROR_UNALIGNED, ERROR_NOT_MAPPED.
 */
error_t unmap_page(paddr_t root, vaddr_t address, paddr_t *frame);

/*
 * Give the 4 KiB page at `address` other flags, the same as map_page takes and, before all else,
 * with the same ERROR_FLAGS. A large page is split first. ERROR_NOT_CANONICAL, ERROR_UNALIGNED,
 * ERROR_NOT_MAPPED, ERROR_NO_FRAMES.
 */
error_t protect_page(paddr_t root, vaddr_t address, uint64_t flags);

/*
 * Replace the large page of an entry of level 2 or 3 by a table of pages of the next smaller size,
 * with the same frames and rights. ERROR_NO_FRAMES.
 */
error_t split_large_page(pte_t *entry, unsigned level);

#endif
