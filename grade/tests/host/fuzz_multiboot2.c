/*
 * fuzz_multiboot2.c: whatever bytes a boot loader leaves, the parser neither reads outside of them
 * nor accepts a block that its accessors then cannot rely on.
 *
 * Alone it tries a fixed number of inputs, the same for the same seed:
 *
 *     build/host/lab1-boot/fuzz_multiboot2 [seed] [inputs]
 *
 * For whoever wants to spend more time it is a target for libFuzzer as well (from the root):
 *
 *     clang -g -DLIBFUZZER -fsanitize=fuzzer,address,undefined -fno-builtin \
 *         -iquote grade/tests/host -iquote lab1-boot -iquote common/include \
 *         -iquote common/kernel grade/tests/host/fuzz_multiboot2.c -o build/host/fuzz
 *     build/host/fuzz -max_len=400
 */
#include "boot_block.h"
#include "rung_string.h"

#include "multiboot2.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* How often each error came, so that a fuzzer that only tries nonsense does not go unnoticed. */
static uint64_t outcomes[ERROR_BOOT_INFO_NO_MEMORY_MAP + 1];

static void use_tags(const struct multiboot2_info *info, uint32_t type)
{
    const uint8_t *end = (const uint8_t *)info + info->total_size;
    const struct multiboot2_tag *tag, *before = NULL;
    for (size_t i = 0; (tag = multiboot2_find(info, type, i)) != NULL; i++) {
        expect_equal(tag->type, type);
        expect((uintptr_t)tag % 8 == 0 && tag > before);
        expect(tag->size >= 8 && tag->size <= (size_t)(end - (const uint8_t *)tag));
        before = tag;
        if (type == MULTIBOOT2_TAG_COMMAND_LINE || type == MULTIBOOT2_TAG_LOADER_NAME)
            expect(strlen(((const struct multiboot2_tag_string *)tag)->text) + 9 <= tag->size);
        if (type == MULTIBOOT2_TAG_MODULE) {
            const struct multiboot2_tag_module *module = (const void *)tag;
            expect(module->start <= module->end);
            expect(strlen(module->text) + 17 <= tag->size);
        }
    }
}

/* All that the kernel does with a block that it has accepted. */
static void use(const struct multiboot2_info *info)
{
    for (uint32_t type = 0; type < 12; type++)
        use_tags(info, type);
    struct memory_region region;
    size_t regions = 0;
    while (multiboot2_region(info, regions, &region))
        regions++;
    expect(regions * sizeof(struct multiboot2_memory) <= info->total_size);
    expect(!multiboot2_region(info, any_number() + regions, &region));
}

/* One input, in memory that ends where the block says it does, if it does not say too much. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t total;
    if (size >= sizeof(total)) {
        memcpy(&total, data, sizeof(total));
        if (total >= 8 && total < size)
            size = total;
    }
    void *info = exact_copy(data, size);
    error_t error = multiboot2_check(info, size);
    expect(error <= ERROR_BOOT_INFO_NO_MEMORY_MAP);
    outcomes[error]++;
    if (error == OK)
        use(info);
    free(info);
    return 0;
}

#ifndef LIBFUZZER

#include <sanitizer/common_interface_defs.h>

static uint64_t seed = 1, inputs = 200000, number;
static struct block block;

/* How to see it again. The sanitizers call this before they end the program. */
static void say_which(void)
{
    fprintf(stderr, "input %" PRIu64 " of seed %" PRIu64 ", %zu bytes:", number, seed, block.size);
    for (size_t i = 0; i < block.size; i++)
        fprintf(stderr, "%s%02x", i % 16 == 0 ? "\n  " : " ", block.bytes[i]);
    fprintf(stderr, "\n");
}

static void valid_tag(void)
{
    static const char text[] = "the quick brown fox";
    size_t tag;
    switch (below(5)) {
    case 0:
        block_text(&block, 1 + (uint32_t)below(2), text + below(sizeof(text)));
        break;
    case 1:
        block_module(&block, (uint32_t)below(1000), 1000, text + below(sizeof(text)));
        break;
    case 2:
        block_map(&block, 24 + 8 * (uint32_t)below(3), below(5));
        break;
    default:
        tag = tag_begin(&block, 7 + (uint32_t)below(20));
        append(&block, text, below(sizeof(text)));
        tag_end(&block, tag);
    }
}

static void valid_block(void)
{
    block_begin(&block);
    for (uint64_t tags = below(8); tags > 0; tags--)
        valid_tag();
    if (!one_in(20))
        block_map(&block, 24, below(4));
    block_end(&block);
}

static void random_block(void)
{
    block.size = below(200);
    for (size_t i = 0; i < block.size; i++)
        block.bytes[i] = one_in(2) ? (uint8_t)below(9) : (uint8_t)rng();
}

/* Sizes and types lie at multiples of 4: most changes are made there, to numbers that may hurt. */
static void mutate(void)
{
    static const uint32_t numbers[] = {0,  1,  2,  3,  6,          7,          8,          9,  15,
                                       16, 17, 23, 24, 0x7fffffff, 0x80000000, 0xfffffff8, ~0U};
    if (block.size < 8)
        return;
    size_t at = below(block.size / 4) * 4;
    switch (below(7)) {
    case 0:
        put_u32(&block, at, PICK(numbers));
        break;
    case 1:
        put_u32(&block, at, block.size - at + below(24) - 12);
        break;
    case 2:
        block.bytes[below(block.size)] ^= (uint8_t)(1 << below(8));
        break;
    case 3:
        block.bytes[below(block.size)] = (uint8_t)rng();
        break;
    case 4:
        block.bytes[at] = (uint8_t)(block.bytes[at] + below(17) - 8);
        break;
    case 5: /* the ends of texts, and padding */
        memset(block.bytes + at, 'x', 1 + below(block.size - at < 12 ? block.size - at : 12));
        break;
    default:
        block.size = below(block.size + 1);
    }
}

static void one_input(void)
{
    if (one_in(8))
        random_block();
    else
        valid_block();
    for (uint64_t mutations = below(5); mutations > 0; mutations--)
        mutate();
    if (block.size >= 4 && !one_in(8))
        block_total(&block);
    LLVMFuzzerTestOneInput(block.bytes, block.size);
}

int main(int count, char **arguments)
{
    if (count > 1)
        seed = strtoull(arguments[1], NULL, 0);
    if (count > 2)
        inputs = strtoull(arguments[2], NULL, 0);
    rng_state ^= seed * 0xbf58476d1ce4e5b9;
    __sanitizer_set_death_callback(say_which);
    alarm(60); /* an input that makes the parser go round for ever ends */
    for (; number < inputs; number++) {
        attempt("input %" PRIu64 " of seed %" PRIu64, number, seed);
        one_input();
    }
    for (error_t error = OK; error <= ERROR_BOOT_INFO_NO_MEMORY_MAP; error++)
        printf("outcome %u: %" PRIu64 " times\n", error, outcomes[error]);

    attempt("a fuzzer whose inputs reach everything");
    expect(outcomes[OK] > inputs / 20);
    for (error_t error = ERROR_BOOT_INFO_SIZE; error <= ERROR_BOOT_INFO_NO_MEMORY_MAP; error++)
        expect(outcomes[error] > inputs / 1000);
    return 0;
}

#endif
