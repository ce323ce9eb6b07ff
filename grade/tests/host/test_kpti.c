/* test_kpti.c: a table and its shadow: made alike, kept alike, and looked at bit by bit. */
#include "host.h"

#include "kpti.c"

/* A pair, aligned as CR3 wants it: the table, and behind it the shadow. */
static pte_t pair[2][PTE_ENTRIES] __attribute__((aligned(8192)));
static pte_t *const table = pair[0], *const shadow = pair[1];
static unsigned messages;

paddr_t kernel_root;
struct percpu percpu;
void (*leave_to_user)(void);

void *phys_to_virt(paddr_t address)
{
    return (char *)pair + address.raw;
}

void kprintf(const char *format, ...)
{
    messages++;
}

/* What only kpti_init and the allocation of pairs need, which run in QEMU. */
void entry_leave(void) {}

void entry_syscall(void) {}

void must(error_t error) {}

const char *error_words(error_t error)
{
    return "";
}

bool kpti_is_wanted(void)
{
    return false;
}

bool pcids_use(void)
{
    return false;
}

error_t entry_area_map_percpu(void)
{
    return OK;
}

error_t entry_area_create(pte_t *way)
{
    return OK;
}

void entry_area_use(void) {}

error_t frame_alloc(paddr_t *frame)
{
    return ERROR_NO_FRAMES;
}

error_t frame_alloc_pair(paddr_t *first)
{
    return ERROR_NO_FRAMES;
}

error_t frame_free(paddr_t frame)
{
    return OK;
}

void write_cr3(uint64_t value) {}

static void fill(pte_t *entries)
{
    for (unsigned i = 0; i < PTE_ENTRIES; i++)
        entries[i] = one_in(3) ? 0 : rng();
}

static void numbers_are_those_of_the_documents(void)
{
    expect_equal(SPLIT, 256);
    expect_equal(PTE_ENTRIES, 512);
    expect_equal(TRAMPOLINE_VADDR, 0xffffffffffff0000);
    expect_equal(PTE_PRESENT, 1);
    expect_equal(PTE_WRITABLE, 2);
    expect_equal(PTE_USER, 4);
    expect_equal(PTE_NO_EXECUTE, 1ULL << 63);
}

static void without_isolation_nothing_happens(void)
{
    expect(!kpti_is_active());
    fill(table);
    table[LAST] |= PTE_PRESENT | PTE_PAIR;
    fill(shadow);
    pte_t before[2][PTE_ENTRIES];
    memcpy(before, pair, sizeof(pair));
    kpti_create_shadow_tables(paddr(0));
    kpti_mirror(&table[3]);
    expect(memcmp(before, pair, sizeof(pair)) == 0);

    uint64_t own = 1, other = 2;
    expect(!kpti_get_page_tables(paddr(0), &own, &other));
    expect(own == 1 && other == 2);
    expect(!kpti_validate_shadow_tables(paddr(0)));
    expect_equal(messages, 0);
}

static void make(void)
{
    active = true;
    way_to_entry_area = (rng() & ~(uint64_t)PTE_ACCESSED) | PTE_PRESENT;
    fill(table);
    table[LAST] |= PTE_PRESENT;
    table[LAST] &= ~(uint64_t)PTE_PAIR;
    fill(shadow);
    kpti_create_shadow_tables(paddr(0));
}

static void a_shadow_has_the_program_and_the_entry_area(void)
{
    for (int round = 0; round < 200; round++) {
        make();
        for (unsigned i = 0; i < PTE_ENTRIES; i++)
            expect_equal(shadow[i], i < 256 ? table[i] : i == 511 ? way_to_entry_area : 0);
        expect((table[LAST] & PTE_PAIR) != 0);
        expect(kpti_validate_shadow_tables(paddr(0)));
    }
}

static void what_is_written_is_mirrored_in_the_user_half_of_a_pair(void)
{
    for (int round = 0; round < 2000; round++) {
        make();
        if (one_in(3))
            table[LAST] &= ~(one_in(2) ? (uint64_t)PTE_PAIR : (uint64_t)PTE_PRESENT);
        bool paired = (table[LAST] & PTE_PAIR) != 0 && (table[LAST] & PTE_PRESENT) != 0;
        unsigned i = (unsigned)below(PTE_ENTRIES - 1);
        pte_t before = shadow[i];
        table[i] = rng();
        kpti_mirror(&table[i]);
        expect_equal(shadow[i], paired && i < 256 ? table[i] : before);
    }
}

/* Does a shadow with this bit turned round leak, or lack, anything? */
static bool is_good(unsigned i, unsigned bit)
{
    if (i < 256 || i == 511)
        return 1ULL << bit == PTE_ACCESSED;
    return bit != 0; /* an entry that is not present may hold anything */
}

static void every_bit_is_looked_at(void)
{
    make();
    for (unsigned i = 0; i < PTE_ENTRIES; i++) {
        for (unsigned bit = 0; bit < 64; bit++) {
            attempt("bit %u of entry %u turned round", bit, i);
            shadow[i] ^= 1ULL << bit;
            messages = 0;
            expect_equal(kpti_validate_shadow_tables(paddr(0)), is_good(i, bit));
            expect_equal(messages, is_good(i, bit) ? 0 : 1);
            shadow[i] ^= 1ULL << bit;
        }
    }
}

MAIN(TEST(numbers_are_those_of_the_documents), TEST(without_isolation_nothing_happens),
     TEST(a_shadow_has_the_program_and_the_entry_area),
     TEST(what_is_written_is_mirrored_in_the_user_half_of_a_pair), TEST(every_bit_is_looked_at))
