/*
 * fuzz_elf_check.c: whatever a program file says, the check neither reads outside of it nor accepts
 * what a loader cannot rely on: that is said here a second time, with numbers that cannot overflow.
 *
 * Alone it tries a fixed number of inputs, the same for the same seed:
 *
 *     build/host/lab3-usermode/fuzz_elf_check [seed] [inputs]
 *
 * For whoever wants to spend more time it is a target for libFuzzer as well (from the root):
 *
 *     clang -g -DLIBFUZZER -fsanitize=fuzzer,address,undefined -fno-builtin \
 *         -iquote grade/tests/host -iquote lab3-usermode -iquote common/include \
 *         grade/tests/host/fuzz_elf_check.c -o build/host/fuzz
 *     build/host/fuzz -max_len=600
 */
#include "elf_file.h"

#include "elf_check.c"

typedef unsigned __int128 wide;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* How often each error came, so that a fuzzer that only tries nonsense does not go unnoticed. */
static uint64_t outcomes[ERROR_ELF_ENTRY + 1];

/* What elf_check.h promises of a segment of a file that has been accepted. */
static void use_segment(const struct elf_program_header *p, size_t size, wide floor)
{
    expect(p->file_size == 0 || (wide)p->offset + p->file_size <= size);
    expect(p->file_size <= p->memory_size);
    expect(p->virtual_address >= USER_START);
    expect((wide)p->virtual_address + p->memory_size <= USER_STACK_LIMIT - PAGE_SIZE);
    expect(p->virtual_address / PAGE_SIZE >= floor);
    expect(!(p->flags & ELF_WRITE) || !(p->flags & ELF_EXECUTE));
    expect(p->virtual_address % PAGE_SIZE == p->offset % PAGE_SIZE);
}

/* All that the loader does with a file that has been accepted. */
static void use(const void *data, size_t size)
{
    const struct elf_header *header = data;
    const struct elf_program_header *p;
    wide floor = 0;
    unsigned count = 0, entries = 0;
    for (; (p = elf_segment(data, count)) != NULL; count++) {
        expect((const char *)(p + 1) <= (const char *)data + size);
        use_segment(p, size, floor);
        wide end = (wide)p->virtual_address + p->memory_size;
        floor = (end + PAGE_SIZE - 1) / PAGE_SIZE;
        if ((p->flags & ELF_EXECUTE) && header->entry >= p->virtual_address && header->entry < end)
            entries++;
    }
    expect(count > 0 && count <= header->program_header_count);
    expect_equal(entries, 1);
    expect(elf_segment(data, count + 1) == NULL);
}

/* One input, in memory that ends where it ends. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    void *copy = room(size);
    memcpy(copy, data, size);
    error_t error = elf_check(copy, size);
    expect(error == OK || (error >= ERROR_ELF_TRUNCATED && error <= ERROR_ELF_ENTRY));
    outcomes[error]++;
    if (error == OK)
        use(copy, size);
    free(copy);
    return 0;
}

#ifndef LIBFUZZER

#include <sanitizer/common_interface_defs.h>

static uint64_t seed = 1, inputs = 300000, number;
static struct elf_file file;

/* How to see it again. The sanitizers call this before they end the program. */
static void say_which(void)
{
    fprintf(stderr, "input %" PRIu64 " of seed %" PRIu64 ", %zu bytes:", number, seed, file.size);
    for (size_t i = 0; i < file.size && i < 600; i++)
        fprintf(stderr, "%s%02x", i % 16 == 0 ? "\n  " : " ", file.bytes[i]);
    fprintf(stderr, "\n");
}

static void valid_segment(uint64_t *place)
{
    static const uint32_t rights[] = {READ, READ | WRITE, READ | EXECUTE, WRITE, 0};
    uint64_t size = below(300), start = *place + below(PAGE_SIZE);
    uint64_t memory = size + (one_in(2) ? 1 : below(3 * PAGE_SIZE));
    file_segment(&file, LOAD, PICK(rights), start, start % PAGE_SIZE, size, memory);
    *place = ((start + memory) / PAGE_SIZE + 1) * PAGE_SIZE;
}

static void valid_file(void)
{
    uint64_t place = PAGE_SIZE + below(1ULL << 34) * PAGE_SIZE, base = place;
    file_begin(&file, base + 8);
    file_segment(&file, LOAD, READ | EXECUTE, base, 0, 16, 16 + below(50));
    place += PAGE_SIZE;
    for (uint64_t segments = below(4); segments > 0; segments--)
        if (one_in(5))
            file_segment(&file, NOTE + (uint32_t)below(5), 7, rng(), rng(), rng(), rng());
        else
            valid_segment(&place);
    file.size = ROOM; /* in-page offsets are below it, but may end behind it */
}

/* A field of the header or of a segment, and a number that may hurt. */
static void mutate(void)
{
    static const uint64_t numbers[] = {
        0,          1,          2,          3,          7,
        0x1000,     0xfff,      1ULL << 31, 1ULL << 32, 1ULL << 47,
        1ULL << 63, UINT64_MAX, -0x1000ULL, USER_END,   USER_STACK_LIMIT,
        KERNEL_BASE};
    static const size_t fields[] = {P_TYPE, P_FLAGS, P_OFFSET, P_ADDRESS, P_FILE, P_MEMORY};
    static const uint8_t header[] = {AT_CLASS,   AT_TYPE,        AT_MACHINE,
                                     AT_HEADERS, AT_HEADER_SIZE, AT_COUNT};
    unsigned segment = (unsigned)below(file.segments);
    size_t field = PICK(fields);
    switch (below(8)) {
    case 0:
        put_field(&file, segment, field, PICK(numbers));
        break;
    case 1:
        put_field(&file, segment, field, get_field(&file, segment, field) + PICK(numbers));
        break;
    case 2:
        put_field(&file, segment, field, get_field(&file, segment, field) ^ 1ULL << below(64));
        break;
    case 3:
        put_field(&file, segment, field, get_field(&file, (unsigned)below(file.segments), field));
        break;
    case 4:
        put_number(&file, PICK(header), any_number(), 1 + below(8));
        break;
    case 5:
        put_number(&file, AT_ENTRY, get_field(&file, segment, P_ADDRESS) + below(80) - 8, 8);
        break;
    case 6:
        file.bytes[below(segment_at(file.segments))] ^= (uint8_t)(1 << below(8));
        break;
    default:
        file.size = below(8) == 0 ? below(300) : below(ROOM + 1);
    }
}

static void one_input(void)
{
    valid_file();
    for (uint64_t mutations = below(4); mutations > 0; mutations--)
        mutate();
    LLVMFuzzerTestOneInput(file.bytes, file.size);
}

int main(int count, char **arguments)
{
    if (count > 1)
        seed = strtoull(arguments[1], NULL, 0);
    if (count > 2)
        inputs = strtoull(arguments[2], NULL, 0);
    rng_state ^= seed * 0xbf58476d1ce4e5b9;
    __sanitizer_set_death_callback(say_which);
    alarm(60);
    for (; number < inputs; number++) {
        attempt("input %" PRIu64 " of seed %" PRIu64, number, seed);
        one_input();
    }
    for (error_t error = ERROR_ELF_TRUNCATED; error <= ERROR_ELF_ENTRY; error++)
        printf("outcome %u: %" PRIu64 " times\n", error, outcomes[error]);
    printf("accepted: %" PRIu64 " times\n", outcomes[OK]);

    attempt("a fuzzer whose inputs reach everything");
    expect(outcomes[OK] > inputs / 20);
    for (error_t error = ERROR_ELF_TRUNCATED; error <= ERROR_ELF_ENTRY; error++)
        expect(outcomes[error] > inputs / 2000);
    return 0;
}

#endif
