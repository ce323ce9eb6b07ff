/* test_descriptors.c: descriptors, gates and frames as the processor reads and writes them. */
#include "host.h"

#include "gdt.c"
#include "idt.c"
#include "trap.h"

const vaddr_t isr_stubs[VECTORS] = {[0] = 0xffffffff80101230, [1 ... 255] = 0xffffffff89abcdef};
static const struct descriptor_pointer *loaded_idt;

void lidt(const struct descriptor_pointer *pointer)
{
    static struct descriptor_pointer copy;
    copy = *pointer;
    loaded_idt = &copy;
}

/* gdt_init jumps through the table that it has loaded: only a machine can do that. */
void lgdt(const struct descriptor_pointer *pointer)
{
    (void)pointer;
    abort();
}

void ltr(uint16_t selector)
{
    (void)selector;
    abort();
}

static uint64_t bits(uint64_t value, unsigned first, unsigned last)
{
    return value >> first & (~0ULL >> (63 - (last - first)));
}

/* Intel SDM vol. 3A, figure 3-8 and table 3-1; 5.2.1 for the bit L. */
static void segments(void)
{
    for (unsigned dpl = 0; dpl < 4; dpl++) {
        attempt("dpl %u", dpl);
        uint64_t code = code_descriptor(dpl), data = data_descriptor(dpl);
        expect_equal(bits(code, 40, 43), 0xb); /* code, readable, accessed; not conforming */
        expect_equal(bits(data, 40, 43), 0x3); /* data, writable, accessed; not expanding down */
        expect_equal(bits(code, 53, 54), 1);   /* L without D: both together are reserved */
        expect_equal(bits(data, 53, 53), 0);
        for (int i = 0; i < 2; i++) {
            uint64_t descriptor = i == 0 ? code : data;
            expect_equal(bits(descriptor, 44, 44), 1); /* not a system segment */
            expect_equal(bits(descriptor, 45, 46), dpl);
            expect_equal(bits(descriptor, 47, 47), 1); /* present */
            expect_equal(bits(descriptor, 16, 39), 0);
            expect_equal(bits(descriptor, 56, 63), 0);
        }
    }
}

/* Figure 7-4: a descriptor of 16 bytes. */
static void task_state_segment_descriptor(void)
{
    for (int i = 0; i < 1000; i++) {
        uint64_t base = any_number(), descriptor[4] = {1, ~0ULL, ~0ULL, 2};
        attempt("a TSS at %#" PRIx64, base);
        tss_descriptor(&descriptor[1], (const struct tss *)base);
        uint64_t low = descriptor[1], high = descriptor[2];
        expect_equal(bits(low, 16, 39) | bits(low, 56, 63) << 24 | bits(high, 0, 31) << 32, base);
        expect_equal(bits(low, 0, 15) | bits(low, 48, 51) << 16, 103);
        expect_equal(bits(low, 40, 44), 0x9); /* available 64-bit TSS, a system segment */
        expect_equal(bits(low, 45, 46), 0);
        expect_equal(bits(low, 47, 47), 1);
        expect_equal(bits(low, 55, 55), 0); /* the limit counts bytes */
        expect_equal(bits(high, 32, 63), 0);
        expect(descriptor[0] == 1 && descriptor[3] == 2);
    }
}

/* Figure 7-11, by the bytes that the processor would fetch. */
static void task_state_segment(void)
{
    memset(&cpu_tss, 0, sizeof(cpu_tss));
    fill_tss();
    const uint8_t *bytes = (const uint8_t *)&cpu_tss;
    const struct kernel_stack *const stacks[7] = {
        [IST_DOUBLE_FAULT - 1] = &double_fault_stack,
        [IST_NMI - 1] = &nmi_stack,
        [IST_MACHINE_CHECK - 1] = &machine_check_stack,
        [IST_DEBUG - 1] = &debug_stack,
    };
    for (unsigned i = 0; i < 7; i++) {
        uint64_t top;
        memcpy(&top, bytes + 0x24 + 8 * i, 8);
        expect_equal(top, stacks[i] != NULL ? (uintptr_t)(stacks[i] + 1) : 0);
        expect_equal(top % 16, 0);
    }
    uint16_t io_map_base;
    memcpy(&io_map_base, bytes + 0x66, 2);
    expect(io_map_base > 103);
    expect_equal(offsetof(struct tss, rsp), 4);
    expect_equal(sizeof(struct tss), 104);
}

/* A guard page lies below each stack, and stacks are whole pages. */
static void stacks(void)
{
    expect_equal(sizeof(struct kernel_stack) % PAGE_SIZE, 0);
    expect_equal(offsetof(struct kernel_stack, memory), PAGE_SIZE);
    expect_equal((uintptr_t)&nmi_stack % PAGE_SIZE, 0);
}

static void expect_gate(unsigned vector, vaddr_t handler, unsigned ist, unsigned dpl)
{
    uint64_t low, high;
    memcpy(&low, (const uint8_t *)idt + 16 * vector, 8);
    memcpy(&high, (const uint8_t *)idt + 16 * vector + 8, 8);
    expect_equal(bits(low, 0, 15) | bits(low, 48, 63) << 16 | bits(high, 0, 31) << 32, handler);
    expect_equal(bits(low, 16, 31), SELECTOR_KERNEL_CODE);
    expect_equal(bits(low, 32, 34), ist);
    expect_equal(bits(low, 35, 39), 0);
    expect_equal(bits(low, 40, 44), 0xe); /* interrupt gate */
    expect_equal(bits(low, 45, 46), dpl);
    expect_equal(bits(low, 47, 47), 1);
    expect_equal(bits(high, 32, 63), 0);
}

/* Figure 6-8. */
static void gates(void)
{
    for (int i = 0; i < 2000; i++) {
        unsigned vector = (unsigned)below(VECTORS), ist = (unsigned)below(8);
        unsigned dpl = (unsigned)below(4);
        vaddr_t handler = any_number();
        attempt("gate %u to %#" PRIx64 ", ist %u, dpl %u", vector, handler, ist, dpl);
        struct gate before[VECTORS];
        memset(&idt[vector], one_in(2) ? 0 : 0xff, sizeof(idt[vector]));
        memcpy(before, idt, sizeof(idt));
        idt_set_gate(vector, handler, ist, dpl);
        expect_gate(vector, handler, ist, dpl);
        before[vector] = idt[vector];
        expect(memcmp(before, idt, sizeof(idt)) == 0);
    }
}

static void whole_table(void)
{
    idt_init();
    expect(loaded_idt != NULL);
    expect_equal(loaded_idt->limit, 256 * 16 - 1);
    expect_equal(loaded_idt->base, (uintptr_t)idt);
    for (unsigned vector = 0; vector < 256; vector++) {
        attempt("vector %u", vector);
        unsigned ist = vector == 8    ? IST_DOUBLE_FAULT
                       : vector == 2  ? IST_NMI
                       : vector == 18 ? IST_MACHINE_CHECK
                       : vector == 1  ? IST_DEBUG
                                      : 0;
        expect_gate(vector, isr_stubs[vector], ist, 0);
    }
}

/* From the top down: what the processor pushes (SDM vol. 3A, figure 6-9), then what isr.asm. */
static void trap_frame(void)
{
    static const size_t pushed[] = {
        offsetof(struct trap_frame, ss),     offsetof(struct trap_frame, rsp),
        offsetof(struct trap_frame, rflags), offsetof(struct trap_frame, cs),
        offsetof(struct trap_frame, rip),    offsetof(struct trap_frame, error),
        offsetof(struct trap_frame, vector), offsetof(struct trap_frame, rax),
        offsetof(struct trap_frame, rbx),    offsetof(struct trap_frame, rcx),
        offsetof(struct trap_frame, rdx),    offsetof(struct trap_frame, rsi),
        offsetof(struct trap_frame, rdi),    offsetof(struct trap_frame, rbp),
        offsetof(struct trap_frame, r8),     offsetof(struct trap_frame, r9),
        offsetof(struct trap_frame, r10),    offsetof(struct trap_frame, r11),
        offsetof(struct trap_frame, r12),    offsetof(struct trap_frame, r13),
        offsetof(struct trap_frame, r14),    offsetof(struct trap_frame, r15),
    };
    size_t offset = sizeof(struct trap_frame);
    for (size_t i = 0; i < ARRAY_SIZE(pushed); i++) {
        attempt("push %zu", i);
        offset -= 8;
        expect_equal(pushed[i], offset);
    }
    expect_equal(offset, 0);
}

MAIN(TEST(segments), TEST(task_state_segment_descriptor), TEST(task_state_segment), TEST(stacks),
     TEST(gates), TEST(whole_table), TEST(trap_frame))
