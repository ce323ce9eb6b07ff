/* types.h: fixed-width types, and one type for each kind of address. */
#ifndef TYPES_H
#define TYPES_H

#include "layout.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A physical address is what the memory bus sees; no pointer can hold one. It is a struct, so
 * that the compiler refuses to mix it with a virtual address: the commonest bug of a lab on
 * paging does not compile. It costs nothing: it travels in one register like a plain number.
 */
typedef struct {
    uint64_t raw;
} paddr_t;

/* A virtual address as a number, for arithmetic; cast it to a pointer to use it. */
typedef uint64_t vaddr_t;

static inline paddr_t paddr(uint64_t raw)
{
    return (paddr_t){raw};
}

static inline paddr_t paddr_add(paddr_t address, uint64_t bytes)
{
    return paddr(address.raw + bytes);
}

/* Rounding to a multiple of `unit`, a power of two. */
static inline uint64_t round_down(uint64_t value, uint64_t unit)
{
    return value & ~(unit - 1);
}

static inline uint64_t round_up(uint64_t value, uint64_t unit)
{
    return round_down(value + unit - 1, unit);
}

static inline bool is_aligned(uint64_t value, uint64_t unit)
{
    return (value & (unit - 1)) == 0;
}

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#endif
