/* user_stack.c: a program's first stack page, and the others. */
#include "user_stack.h"
#include "address_space.h"
#include "elf.h"
#include "not_written.h"
#include "paging.h"
#include "random.h"
#include "string.h"
#include "window.h"
#include "x86.h"

#define PAGE (USER_STACK_TOP - PAGE_SIZE)

/* Entries of the auxiliary vector (psABI 3.4.3). */
enum auxiliary {
    AT_NULL = 0,
    AT_PHDR = 3,
    AT_PHENT = 4,
    AT_PHNUM = 5,
    AT_PAGESZ = 6,
    AT_BASE = 7,
    AT_FLAGS = 8,
    AT_ENTRY = 9,
    AT_UID = 11,
    AT_EUID = 12,
    AT_GID = 13,
    AT_EGID = 14,
    AT_PLATFORM = 15,
    AT_HWCAP = 16,
    AT_CLKTCK = 17,
    AT_SECURE = 23,
    AT_RANDOM = 25,
    AT_EXECFN = 31
};

#define CLOCK_TICKS 100   /* what times() counts in */
#define RANDOM_SIZE 16    /* bytes that AT_RANDOM points to: a C library's canary comes of them */
#define PLATFORM "x86_64" /* what uname calls this machine */

/* The page while it is being filled, from its top down: the kernel's view and the program's. */
struct builder {
    char *memory;  /* where PAGE is, in the window */
    vaddr_t below; /* the program's address of what was put last */
    bool full;
    vaddr_t strings, random, platform; /* what the auxiliary vector points to */
};

static void put(struct builder *b, const void *data, size_t size)
{
    if (b->full || b->below - PAGE < size) {
        b->full = true;
        return;
    }
    b->below -= size;
    memcpy(b->memory + (b->below - PAGE), data, size);
}

static void put_word(struct builder *b, uint64_t word)
{
    put(b, &word, sizeof(word));
}

static size_t count(const char *const *list)
{
    size_t n = 0;
    while (list[n] != NULL)
        n++;
    return n;
}

/* The strings of a list, the first one lowest; returns the address of the lowest. */
static vaddr_t put_strings(struct builder *b, const char *const *list)
{
    for (size_t n = count(list); n-- > 0;)
        put(b, list[n], strlen(list[n]) + 1);
    return b->strings = b->below;
}

/*
 * Exercise 3.3 (10 points), first part. Put the pointers to the strings of a list, the first one
 * lowest, and above them a NULL. put_strings has put the strings one behind the other, the first at
 * `string`, each with its zero byte.
 */
static void put_pointers(struct builder *b, const char *const *list, vaddr_t string)
{
    /* { solution 3.3 */
    put_word(b, 0);
    vaddr_t end = string;
    for (size_t n = 0; list[n] != NULL; n++)
        end += strlen(list[n]) + 1;
    for (size_t n = count(list); n-- > 0;) {
        end -= strlen(list[n]) + 1;
        put_word(b, end);
    }
    /* } solution */
}

/* Where the program headers lie in the program's memory: in the segment that has them, or 0. */
static vaddr_t program_headers(const struct elf_header *header)
{
    const struct elf_program_header *p =
        (const void *)((const char *)header + header->program_headers);
    for (unsigned i = 0; i < header->program_header_count; i++)
        if (p[i].type == ELF_SEGMENT_LOAD && header->program_headers >= p[i].offset &&
            header->program_headers - p[i].offset < p[i].file_size)
            return p[i].virtual_address + (header->program_headers - p[i].offset);
    return 0;
}

static void put_auxiliary(struct builder *b, const struct elf_header *header)
{
    const uint64_t vector[][2] = {
        {AT_PHDR, program_headers(header)},
        {AT_PHENT, sizeof(struct elf_program_header)},
        {AT_PHNUM, header->program_header_count},
        {AT_PAGESZ, PAGE_SIZE},
        {AT_BASE, 0}, /* of an interpreter */
        {AT_FLAGS, 0},
        {AT_ENTRY, header->entry},
        {AT_UID, 0}, /* everything is root's */
        {AT_EUID, 0},
        {AT_GID, 0},
        {AT_EGID, 0},
        {AT_SECURE, 0}, /* nobody runs with more rights than who started it */
        {AT_CLKTCK, CLOCK_TICKS},
        {AT_HWCAP, cpuid(CPUID_VERSION, 0).edx},
        {AT_PLATFORM, b->platform},
        {AT_RANDOM, b->random},
        {AT_EXECFN, b->strings}, /* argv[0]: put_strings puts it last */
        {AT_NULL, 0},
    };
    put(b, vector, sizeof(vector));
}

/*
 * Exercise 3.3, second part. Put all that the psABI's figure 3.9 shows, from the top down: b->below
 * goes from where it is to what RSP starts with, which is the address of argc and a multiple of
 * 16. Whatever has to be left free for that lies between the strings and the auxiliary vector.
 */
static void put_all(struct builder *b, const struct arguments *arguments, const void *program)
{
    /* { solution 3.3 */
    vaddr_t environment = put_strings(b, arguments->envp);
    vaddr_t strings = put_strings(b, arguments->argv);
    size_t argc = count(arguments->argv);
    size_t words = 1 + argc + 1 + count(arguments->envp) + 1;
    b->below = round_down(b->below, 16);
    if (words % 2 != 0) /* the auxiliary vector has entries of two words */
        put_word(b, 0);
    put_auxiliary(b, program);
    put_pointers(b, arguments->envp, environment);
    put_pointers(b, arguments->argv, strings);
    put_word(b, argc);
    /* } solution */
}

/* What the auxiliary vector points to lies above everything else. */
static void put_pointed_to(struct builder *b)
{
    char random[RANDOM_SIZE];
    random_fill(random, sizeof(random));
    put(b, random, sizeof(random));
    b->random = b->below;
    put(b, PLATFORM, sizeof(PLATFORM));
    b->platform = b->below;
}

error_t user_stack_create(paddr_t root, const struct arguments *arguments, const void *program,
                          vaddr_t *pointer)
{
    paddr_t frame;
    error_t error = address_space_add_page(root, PAGE, READ_WRITE, &frame);
    if (error != OK)
        return error;
    struct builder b = {.memory = phys_to_virt(frame), .below = USER_STACK_TOP};
    put_pointed_to(&b);
    put_all(&b, arguments, program);
    *pointer = b.below;
    return b.full ? ERROR_ARGUMENTS : OK;
}

bool user_stack_grow(paddr_t root, vaddr_t address)
{
    if (address < USER_STACK_LIMIT || address >= USER_STACK_TOP)
        return false;
    paddr_t frame;
    return address_space_add_page(root, round_down(address, PAGE_SIZE), READ_WRITE, &frame) == OK;
}
