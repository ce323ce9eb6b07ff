/* test_bitset.c: the tree of bits is a set, beside an array of one byte for each number. */
#include "host.h"

#include "bitset.c"

struct pair {
    struct bitset set;
    void *memory;   /* of exactly the size that bitset_bytes says: ASan watches its ends */
    uint8_t *model; /* one byte for each number, and one behind them */
    uint64_t limit;
    uint64_t count;
};

static struct pair new_pair(uint64_t limit)
{
    struct pair pair = {.limit = limit, .memory = room(bitset_bytes(limit))};
    memset(pair.memory, 0xa5, bitset_bytes(limit));
    bitset_init(&pair.set, pair.memory, limit);
    pair.model = zeroed_room(limit + 1);
    return pair;
}

static void free_pair(struct pair *pair)
{
    free(pair->memory);
    free(pair->model);
}

static void put_in(struct pair *pair, uint64_t start, uint64_t end, bool in)
{
    attempt("%s [%" PRIu64 ", %" PRIu64 ") with limit %" PRIu64, in ? "add" : "remove", start, end,
            pair->limit);
    if (in)
        bitset_add(&pair->set, start, end);
    else
        bitset_remove(&pair->set, start, end);
    for (uint64_t i = start; i < end && i < pair->limit; i++) {
        pair->count += (uint64_t)in - pair->model[i];
        pair->model[i] = in;
    }
    expect_equal(pair->set.count, pair->count);
}

static void expect_next(const struct pair *pair, uint64_t from)
{
    uint64_t expected = from, member = ~0ULL;
    while (expected < pair->limit && !pair->model[expected])
        expected++;
    bool found = bitset_next(&pair->set, from, &member);
    expect_equal(found, expected < pair->limit);
    if (found)
        expect_equal(member, expected);
}

static void expect_run(const struct pair *pair, uint64_t length)
{
    uint64_t run = 0, i = 0, start = ~0ULL;
    for (; i < pair->limit && run < length; i++)
        run = pair->model[i] ? run + 1 : 0;
    bool found = bitset_run(&pair->set, length, &start);
    expect_equal(found, run == length);
    if (found)
        expect_equal(start, i - length);
}

static void expect_even_pair(const struct pair *pair)
{
    uint64_t expected = 0, start = ~0ULL;
    while (expected + 1 < pair->limit && !(pair->model[expected] && pair->model[expected + 1]))
        expected += 2;
    bool found = bitset_pair(&pair->set, &start);
    expect_equal(found, expected + 1 < pair->limit);
    if (found)
        expect_equal(start, expected);
}

/* What bitset.h says of the levels: a bit of the next one for each word that is not empty. */
static void expect_tree(const struct bitset *set)
{
    uint64_t words = words_for(set->limit);
    for (int level = 0; level + 1 < BITSET_LEVELS; level++, words = words_for(words))
        for (uint64_t word = 0; word < words; word++) {
            uint64_t bit = set->words[level + 1][word / 64] >> word % 64 & 1;
            expect_equal(bit, set->words[level][word] != 0);
        }
}

static void expect_members(const struct pair *pair)
{
    for (uint64_t i = 0; i < pair->limit; i++)
        expect_equal(bitset_has(&pair->set, i), pair->model[i]);
    expect(!bitset_has(&pair->set, pair->limit));
    expect(!bitset_has(&pair->set, pair->limit + 64));
    expect(!bitset_has(&pair->set, UINT64_MAX));
    expect_tree(&pair->set);
}

/* A place that is likely to be at the edge of a word, of a level, or of the set. */
static uint64_t place_in(uint64_t limit)
{
    static const uint64_t units[] = {1, 1, 64, 4096, 262144};
    uint64_t unit = PICK(units);
    return below(limit / unit + 2) * unit + below(3) - (one_in(3) ? 1 : 0);
}

static void random_step(struct pair *pair)
{
    uint64_t start = place_in(pair->limit), end = start + (one_in(2) ? 1 : any_number() % 200);
    if (one_in(20))
        end = place_in(pair->limit);
    if (one_in(200))
        end = UINT64_MAX - below(2);
    put_in(pair, start, end, one_in(2));
    expect_next(pair, place_in(pair->limit));
    expect_next(pair, 0);
    expect_run(pair, 1 + any_number() % (pair->limit + 2));
    expect_even_pair(pair);
}

static void random_steps(uint64_t limit, int steps)
{
    struct pair pair = new_pair(limit);
    expect_members(&pair);
    for (int i = 0; i < steps; i++) {
        random_step(&pair);
        if (i % 50 == 0)
            expect_members(&pair);
    }
    expect_members(&pair);
    free_pair(&pair);
}

static void small_sets(void)
{
    for (uint64_t limit = 1; limit < 200; limit++)
        random_steps(limit, 60);
}

static void sets_about_as_large_as_a_level(void)
{
    static const uint64_t limits[] = {1000, 4032, 4095, 4096, 4097, 4160, 8191};
    for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
        random_steps(limits[i], 400);
    random_steps((1 << 18) - 1, 60);
    random_steps((1 << 18) + 1, 60);
}

static void empty_and_full(void)
{
    static const uint64_t limits[] = {1, 2, 63, 64, 65, 127, 128, 129, 4096, 4097, (1 << 18) + 1};
    for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
        uint64_t limit = limits[i];
        struct pair pair = new_pair(limit);
        expect_next(&pair, 0);
        expect_run(&pair, 1);
        put_in(&pair, 0, limit, true);
        expect_members(&pair);
        expect_next(&pair, limit - 1);
        expect_next(&pair, limit);
        expect_run(&pair, limit);
        expect_run(&pair, limit + 1);
        put_in(&pair, 0, limit, false);
        expect_members(&pair);
        expect_next(&pair, 0);
        put_in(&pair, limit - 1, limit, true);
        expect_next(&pair, 0);
        expect_run(&pair, 1);
        expect_run(&pair, 2);
        free_pair(&pair);
    }
}

static void nothing_at_all(void)
{
    struct pair pair = new_pair(0);
    put_in(&pair, 0, 10, true);
    put_in(&pair, 0, UINT64_MAX, false);
    expect_members(&pair);
    expect_next(&pair, 0);
    expect_run(&pair, 1);
    free_pair(&pair);
}

static void what_lies_outside_is_ignored(void)
{
    struct pair pair = new_pair(100);
    put_in(&pair, 50, 50, true);
    put_in(&pair, 60, 50, true);
    put_in(&pair, 100, 101, true);
    put_in(&pair, 5000, 6000, true);
    put_in(&pair, UINT64_MAX, UINT64_MAX, true);
    expect_equal(pair.set.count, 0);
    put_in(&pair, 99, UINT64_MAX, true);
    put_in(&pair, 100, UINT64_MAX, false);
    expect_equal(pair.set.count, 1);
    expect_members(&pair);
    free_pair(&pair);
}

static void every_range_of_three_words(void)
{
    for (uint64_t start = 0; start < 192; start += 1 + below(3))
        for (uint64_t end = start; end <= 192; end += 1 + below(3)) {
            struct pair pair = new_pair(192);
            bool in = one_in(2);
            put_in(&pair, 0, 192, !in);
            put_in(&pair, start, end, in);
            for (uint64_t i = 0; i < 192; i++)
                expect_equal(bitset_has(&pair.set, i), pair.model[i]);
            expect_tree(&pair.set);
            free_pair(&pair);
        }
}

static void copies(void)
{
    static const uint64_t limits[] = {0, 1, 65, 4097};
    for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
        struct pair pair = new_pair(limits[i]);
        for (int step = 0; step < 50; step++)
            random_step(&pair);
        struct pair copy = pair;
        copy.memory = room(bitset_bytes(limits[i]));
        copy.model = room(limits[i] + 1);
        memcpy(copy.model, pair.model, limits[i] + 1);
        bitset_copy(&copy.set, copy.memory, &pair.set);
        expect_members(&copy);
        put_in(&copy, 0, limits[i], true); /* of which the other notices nothing */
        expect_members(&pair);
        free_pair(&pair);
        free_pair(&copy);
    }
}

/* 64 GiB in frames and one more: all five levels, with little in them. */
static void five_levels(void)
{
    static const uint64_t members[] = {0, 63, 64, 4095, 4096, 262143, 262144, 1 << 23, 1 << 24};
    uint64_t limit = (1 << 24) + 1, member;
    void *memory = room(bitset_bytes(limit));
    struct bitset set;
    bitset_init(&set, memory, limit);
    expect(!bitset_next(&set, 0, &member));
    for (size_t i = 0; i < ARRAY_SIZE(members); i++)
        bitset_add(&set, members[i], members[i] + 1);
    for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
        expect(bitset_next(&set, i == 0 ? 0 : members[i - 1] + 1, &member));
        expect_equal(member, members[i]);
    }
    bitset_remove(&set, 0, limit - 1);
    expect_equal(set.count, 1);
    expect(bitset_next(&set, 0, &member));
    expect_equal(member, limit - 1);
    bitset_remove(&set, limit - 1, limit);
    expect(!bitset_next(&set, 0, &member));
    free(memory);
}

static void sizes(void)
{
    expect_equal(bitset_bytes(0), 0);
    expect_equal(bitset_bytes(1), 8 * 5);
    expect_equal(bitset_bytes(64), 8 * 5);
    expect_equal(bitset_bytes(65), 8 * (2 + 1 + 1 + 1 + 1));
    expect_equal(bitset_bytes(4097), 8 * (65 + 2 + 1 + 1 + 1));
    expect_equal(bitset_bytes(1 << 30), 8 * ((1 << 24) + (1 << 18) + (1 << 12) + (1 << 6) + 1));
}

MAIN(TEST(small_sets), TEST(sets_about_as_large_as_a_level), TEST(empty_and_full),
     TEST(nothing_at_all), TEST(what_lies_outside_is_ignored), TEST(every_range_of_three_words),
     TEST(copies), TEST(five_levels), TEST(sizes))
