/* test_report.c: error codes, vectors and addresses in words. */
#include "rung_string.h"

#include "print.c"
#include "report.c"
#include "sections.h"

/* The linked-in table, and the code that it speaks of. */
#define text_start ((char *)0xffffffff80101000)
#define text_end ((char *)0xffffffff80103000)
#define entry_image_start ((char *)0xffffffff80105000)
#define entry_image_end (entry_image_start + entry_length)
static uint64_t entry_length;
#include "symbols.c"

const struct symbol symbol_table[] = {{0x80101010, 0},  {0x80101020, 6},  {0x80101021, 10},
                                      {0x80102000, 15}, {0xffff0000, 20}, {0xffff1000, 26}};
const uint32_t symbol_count = ARRAY_SIZE(symbol_table);
const char symbol_names[] = "first\0two\0long\0last\0stubs\0common";

static char console[4000];

void serial_putc(char c)
{
    console[strlen(console)] = c;
}

void print_backtrace(uint64_t rip, uint64_t rbp)
{
    kprintf("backtrace from %lx, %lx\n", rip, rbp);
}

uint64_t read_cr0(void)
{
    return 0xc0;
}

uint64_t read_cr2(void)
{
    return 0xc2;
}

uint64_t read_cr3(void)
{
    return 0xc3;
}

uint64_t read_cr4(void)
{
    return 0xc4;
}

static void expect_words(uint64_t vector, uint64_t error, const char *words)
{
    attempt("vector %" PRIu64 ", error code %#" PRIx64, vector, error);
    char text[100] = "not touched";
    describe_error(text, sizeof(text), vector, error);
    expect_text(text, words);
    for (size_t size = 1; size < strlen(words);
         size++) { /* and never more than there is room for */
        char *exact = room(size);
        describe_error(exact, size, vector, error);
        expect(strncmp(exact, words, size - 1) == 0 && exact[size - 1] == '\0');
        free(exact);
    }
}

/* Every page fault, and the bits above, which do not matter here (SDM vol. 3A 4.7). */
static void page_faults(void)
{
    for (unsigned code = 0; code < 32; code++) {
        char words[100];
        snprintf(words, sizeof(words), "%s %s: %s", code & 4 ? "user" : "kernel",
                 code & 16  ? "fetch"
                 : code & 2 ? "write"
                            : "read",
                 code & 8   ? "reserved bit set"
                 : code & 1 ? "protection violation"
                            : "page not present");
        expect_words(14, code, words);
        expect_words(14, code | 0x8020, words);
    }
}

static void selectors(void)
{
    for (uint64_t vector = 10; vector <= 13; vector++) {
        expect_words(vector, 0, "");
        expect_words(vector, 0x10, "GDT entry 2");
        expect_words(vector, 0x11, "GDT entry 2, external event");
        expect_words(vector, 0x2c, "LDT entry 5");
        expect_words(vector, 0x2d, "LDT entry 5, external event");
        expect_words(vector, 0x402, "IDT entry 128");
        expect_words(vector, 0x403, "IDT entry 128, external event");
        expect_words(vector, 0x7fe, "IDT entry 255");
        expect_words(vector, 0xfff8, "GDT entry 8191");
        expect_words(vector, 0x1, "GDT entry 0, external event");
    }
}

static void other_vectors_have_a_number_only(void)
{
    for (uint64_t vector = 0; vector < 256; vector++)
        if (vector < 10 || vector > 14)
            expect_words(vector, 0x7, "");
}

static void every_vector_has_a_name(void)
{
    for (uint64_t vector = 0; vector < 300; vector++)
        expect(vector_name(vector)[0] != '\0');
    expect_text(vector_name(0), "#DE divide error");
    expect_text(vector_name(14), "#PF page fault");
    expect_text(vector_name(30), "#SX security exception");
    expect_text(vector_name(9), "reserved exception");
    expect_text(vector_name(31), "reserved exception");
    expect_text(vector_name(32), "interrupt");
    expect_text(vector_name(UINT64_MAX), "interrupt");
}

static void the_report_has_every_register(void)
{
    struct trap_frame frame;
    uint64_t *words = (uint64_t *)&frame;
    for (size_t i = 0; i < sizeof(frame) / 8; i++)
        words[i] = 0x1111111111110000 + i;
    frame.vector = VECTOR_PF;
    frame.error = 3;
    frame.cs = 8;
    frame.ss = 16;
    report_trap(&frame);
    expect(strncmp(console, "\nPANIC: #PF page fault (vector 14) at ", 38) == 0);
    expect(strstr(console, "error code 0x3: kernel write: protection violation\n") != NULL);
    expect(strstr(console, "the address was 00000000000000c2\n") != NULL);
    expect(strstr(console, "cs 0008  ss 0010\n") != NULL);
    static const char *const names[] = {"r15", "r14", "r13", "r12", "r11", "r10", "r9 ", "r8 ",
                                        "rbp", "rdi", "rsi", "rdx", "rcx", "rbx", "rax"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char expected[40];
        snprintf(expected, sizeof(expected), "%s %016lx", names[i], words[i]);
        attempt("%s", expected);
        expect(strstr(console, expected) != NULL);
    }
}

static void expect_symbol(vaddr_t address, const char *name, uint64_t offset)
{
    attempt("symbol at %#" PRIx64, address);
    uint64_t seen = 0;
    const char *found = symbol_name(address, &seen);
    expect(found != NULL);
    expect_text(found, name);
    expect_equal(seen, offset);
}

static void symbols(void)
{
    uint64_t offset;
    expect(symbol_name(0, &offset) == NULL);
    expect(symbol_name(0x80101010, &offset) == NULL);
    expect(symbol_name(0xffffffff80100fff, &offset) == NULL);
    expect(symbol_name(0xffffffff80103000, &offset) == NULL);
    expect(symbol_name(0xffffffff8010100f, &offset) == NULL); /* code before the first symbol */
    expect_symbol(0xffffffff80101010, "first", 0);
    expect_symbol(0xffffffff8010101f, "first", 15);
    expect_symbol(0xffffffff80101020, "two", 0);
    expect_symbol(0xffffffff80101021, "long", 0);
    expect_symbol(0xffffffff80101fff, "long", 0xfde);
    expect_symbol(0xffffffff80102000, "last", 0);
    expect_symbol(0xffffffff80102fff, "last", 0xfff);
}

static void symbols_of_the_entry_area(void)
{
    uint64_t offset;
    expect(symbol_name(0xffffffffffff0000, &offset) == NULL); /* as long as it has no code */
    entry_length = 0x2000;
    expect(symbol_name(0xfffffffffffeffff, &offset) == NULL);
    expect(symbol_name(0xffffffffffff2000, &offset) == NULL);
    expect(symbol_name(0xffffffff80105000, &offset) == NULL); /* it lies here and runs elsewhere */
    expect_symbol(0xffffffffffff0000, "stubs", 0);
    expect_symbol(0xffffffffffff0fff, "stubs", 0xfff);
    expect_symbol(0xffffffffffff1fff, "common", 0xfff);
    expect_symbol(0xffffffff80102fff, "last", 0xfff);
}

MAIN(TEST(page_faults), TEST(selectors), TEST(other_vectors_have_a_number_only),
     TEST(every_vector_has_a_name), TEST(the_report_has_every_register), TEST(symbols),
     TEST(symbols_of_the_entry_area))
