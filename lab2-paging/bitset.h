/* bitset.h: a set of numbers below a limit that finds its next member in a few steps. */
#ifndef BITSET_H
#define BITSET_H

#include "types.h"

/*
 * Level 0 has a bit for each number. A bit of level n+1 says whether a word of level n has any bit
 * set, so looking for a member skips 64 numbers, 4096, 262144 ... at a time. Five levels are enough
 * for 2^30 numbers: for frames that is 4 TiB.
 */
#define BITSET_LEVELS 5

struct bitset {
    uint64_t limit; /* members are below it */
    uint64_t count; /* of members */
    uint64_t *words[BITSET_LEVELS];
};

/* How many bytes of memory a set of numbers below `limit` needs; `limit` is at most 2^30. */
uint64_t bitset_bytes(uint64_t limit);

/* Make an empty set in `memory`: bitset_bytes(limit) bytes, 8-byte aligned. */
void bitset_init(struct bitset *set, void *memory, uint64_t limit);

/* Make a copy of a set in `memory`, of the same size as the set's own. */
void bitset_copy(struct bitset *copy, void *memory, const struct bitset *set);

/* Put all numbers of [start, end) in, or take them out; those outside the limit are ignored. */
void bitset_add(struct bitset *set, uint64_t start, uint64_t end);
void bitset_remove(struct bitset *set, uint64_t start, uint64_t end);

bool bitset_has(const struct bitset *set, uint64_t number);

/* The smallest member that is at least `from`, in *member; false if there is none. */
bool bitset_next(const struct bitset *set, uint64_t from, uint64_t *member);

/* The smallest `start` with all of [start, start + length) in the set; false if there is none. */
bool bitset_run(const struct bitset *set, uint64_t length, uint64_t *start);

/* The smallest even member whose successor is a member, too; false if there is none. */
bool bitset_pair(const struct bitset *set, uint64_t *start);

#endif
