/* symbols.c: from a code address to the function's name, by binary search in a table. */
#include "symbols.h"
#include "sections.h"

/* One function; lab.mk makes the table from the linked kernel, sorted by address. */
struct symbol {
    uint32_t address; /* of the function, its low half: the high one is the same for all */
    uint32_t name;    /* offset in symbol_names */
};

extern const struct symbol symbol_table[];
extern const uint32_t symbol_count;
extern const char symbol_names[];

/* The last symbol at or below `address`; there must be one. */
static const struct symbol *find(uint32_t address)
{
    uint32_t low = 0, high = symbol_count; /* the answer is in [low, high) */
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (symbol_table[middle].address <= address)
            low = middle;
        else
            high = middle;
    }
    return &symbol_table[low];
}

/* Is there code, at the address where it runs? Before lab 6 the entry area is empty. */
static bool is_code(vaddr_t address)
{
    uint64_t entry_size = (uint64_t)(entry_image_end - entry_image_start);
    return (address >= (vaddr_t)text_start && address < (vaddr_t)text_end) ||
           (address >= TRAMPOLINE_VADDR && address - TRAMPOLINE_VADDR < entry_size);
}

const char *symbol_name(vaddr_t address, uint64_t *offset)
{
    if (!is_code(address))
        return NULL;
    if (symbol_count == 0 || (uint32_t)address < symbol_table[0].address)
        return NULL;
    const struct symbol *symbol = find((uint32_t)address);
    *offset = (uint32_t)address - symbol->address;
    return symbol_names + symbol->name;
}
