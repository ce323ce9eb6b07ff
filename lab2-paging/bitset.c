/* bitset.c: a set of numbers as a tree of bits. Pure C: tested on the host as well. */
#include "bitset.h"
#include "string.h"

#define BITS 64
#define NOT_INLINE __attribute__((noinline)) /* what is seldom called shall not burden the rest */

static uint64_t words_for(uint64_t bits)
{
    return (bits + BITS - 1) / BITS;
}

/* The bits [first, last] of a word; both are below 64. */
static uint64_t mask(uint64_t first, uint64_t last)
{
    return (~0ULL << first) & (~0ULL >> (BITS - 1 - last));
}

static unsigned population(uint64_t word)
{
    unsigned bits = 0;
    for (; word != 0; word &= word - 1)
        bits++;
    return bits;
}

uint64_t bitset_bytes(uint64_t limit)
{
    uint64_t bytes = 0;
    for (int level = 0; level < BITSET_LEVELS; level++) {
        limit = words_for(limit);
        bytes += limit * sizeof(uint64_t);
    }
    return bytes;
}

/* Where the words of each level lie: one level after the other. */
static void lay_out(struct bitset *set, void *memory, uint64_t limit)
{
    set->limit = limit;
    uint64_t *words = memory;
    for (int level = 0; level < BITSET_LEVELS; level++) {
        set->words[level] = words;
        limit = words_for(limit);
        words += limit;
    }
}

void bitset_init(struct bitset *set, void *memory, uint64_t limit)
{
    lay_out(set, memory, limit);
    set->count = 0;
    memset(memory, 0, bitset_bytes(limit));
}

void bitset_copy(struct bitset *copy, void *memory, const struct bitset *set)
{
    lay_out(copy, memory, set->limit);
    copy->count = set->count;
    memcpy(memory, set->words[0], bitset_bytes(set->limit));
}

/* Set the bits [first, last] of one level, and with them those that stand for their words. */
static NOT_INLINE void add(struct bitset *set, int level, uint64_t first, uint64_t last)
{
    for (uint64_t word = first / BITS; word <= last / BITS; word++) {
        uint64_t from = word == first / BITS ? first % BITS : 0;
        uint64_t to = word == last / BITS ? last % BITS : BITS - 1;
        uint64_t *bits = &set->words[level][word];
        if (level == 0)
            set->count += population(mask(from, to) & ~*bits);
        *bits |= mask(from, to);
    }
    if (level + 1 < BITSET_LEVELS)
        add(set, level + 1, first / BITS, last / BITS);
}

/* Clear the bits [first, last] of one level, and with them those of the words that became empty. */
static NOT_INLINE void take_out(struct bitset *set, int level, uint64_t first, uint64_t last)
{
    for (uint64_t word = first / BITS; word <= last / BITS; word++) {
        uint64_t from = word == first / BITS ? first % BITS : 0;
        uint64_t to = word == last / BITS ? last % BITS : BITS - 1;
        uint64_t *bits = &set->words[level][word];
        if (level == 0)
            set->count -= population(mask(from, to) & *bits);
        *bits &= ~mask(from, to);
    }
    if (level + 1 == BITSET_LEVELS)
        return;
    /* Only the first and the last word can have members left; those between them are empty. */
    uint64_t first_word = first / BITS, last_word = last / BITS;
    if (set->words[level][first_word] != 0)
        first_word++;
    if (last_word >= first_word && set->words[level][last_word] != 0)
        last_word--;
    if (first_word <= last_word && last_word != UINT64_MAX)
        take_out(set, level + 1, first_word, last_word);
}

bool bitset_has(const struct bitset *set, uint64_t number)
{
    return number < set->limit && (set->words[0][number / BITS] >> number % BITS & 1) != 0;
}

/* The same for one number, which most calls are about; and most of them end at level 0. */
static void add_one(struct bitset *set, uint64_t number)
{
    set->count += bitset_has(set, number) ? 0 : 1;
    for (int level = 0; level < BITSET_LEVELS; level++, number /= BITS) {
        uint64_t *word = &set->words[level][number / BITS];
        bool had_members = *word != 0;
        *word |= 1ULL << number % BITS;
        if (had_members)
            return;
    }
}

static void take_out_one(struct bitset *set, uint64_t number)
{
    set->count -= bitset_has(set, number) ? 1 : 0;
    for (int level = 0; level < BITSET_LEVELS; level++, number /= BITS) {
        uint64_t *word = &set->words[level][number / BITS];
        *word &= ~(1ULL << number % BITS);
        if (*word != 0)
            return;
    }
}

void bitset_add(struct bitset *set, uint64_t start, uint64_t end)
{
    if (end > set->limit)
        end = set->limit;
    if (start >= end)
        return;
    if (end - start == 1)
        add_one(set, start);
    else
        add(set, 0, start, end - 1);
}

void bitset_remove(struct bitset *set, uint64_t start, uint64_t end)
{
    if (end > set->limit)
        end = set->limit;
    if (start >= end)
        return;
    if (end - start == 1)
        take_out_one(set, start);
    else
        take_out(set, 0, start, end - 1);
}

/* Go up until a word has a bit at or behind the place, then down along the first bits. */
bool bitset_next(const struct bitset *set, uint64_t from, uint64_t *member)
{
    uint64_t limit = set->limit;
    for (int level = 0; level < BITSET_LEVELS && from < limit; level++) {
        uint64_t bits = set->words[level][from / BITS] & mask(from % BITS, BITS - 1);
        if (bits != 0) {
            from = round_down(from, BITS) + (uint64_t)__builtin_ctzll(bits);
            while (level-- > 0)
                from = from * BITS + (uint64_t)__builtin_ctzll(set->words[level][from]);
            *member = from;
            return true;
        }
        from = from / BITS + 1;
        limit = words_for(limit);
    }
    return false;
}

/* The first number from `from` on that is not a member, or the limit. */
static uint64_t next_gap(const struct bitset *set, uint64_t from)
{
    while (from < set->limit) {
        uint64_t gaps = ~set->words[0][from / BITS] & mask(from % BITS, BITS - 1);
        if (gaps != 0) {
            uint64_t gap = round_down(from, BITS) + (uint64_t)__builtin_ctzll(gaps);
            return gap < set->limit ? gap : set->limit;
        }
        from = round_down(from, BITS) + BITS;
    }
    return set->limit;
}

bool bitset_run(const struct bitset *set, uint64_t length, uint64_t *start)
{
    uint64_t from = 0;
    while (bitset_next(set, from, start)) {
        from = next_gap(set, *start);
        if (from - *start >= length)
            return true;
    }
    return false;
}

/* Both of a pair lie in one word. */
bool bitset_pair(const struct bitset *set, uint64_t *start)
{
    const uint64_t even = 0x5555555555555555;
    for (uint64_t from = 0; bitset_next(set, from, start); from = round_down(*start, BITS) + BITS) {
        uint64_t word = set->words[0][*start / BITS];
        uint64_t pairs = word & word >> 1 & even;
        if (pairs != 0) {
            *start = round_down(*start, BITS) + (uint64_t)__builtin_ctzll(pairs);
            return true;
        }
    }
    return false;
}
