/* panic.c: give up in words. */
#include "panic.h"
#include "last_words.h"
#include "print.h"
#include "sections.h"
#include "symbols.h"
#include "x86.h"

#define BACKTRACE_LIMIT 32
#define KERNEL_STACK_SLOT (STACK_GUARD_SIZE + STACK_SIZE)

/* What the ABI makes every function leave at its frame pointer (psABI 3.2.2, figure 3.3). */
struct stack_frame {
    const struct stack_frame *caller;
    uint64_t return_address;
};

static bool panicking;

void panic_begin(void)
{
    if (panicking) {
        last_words("\nPANIC: a second one, while the first was being printed\n");
        machine_exit(EXIT_PANIC);
    }
    panicking = true;
}

void panic_end(void)
{
    machine_exit(EXIT_PANIC);
}

static void print_address(uint64_t address)
{
    uint64_t offset;
    const char *name = symbol_name(address, &offset);
    if (name != NULL)
        kprintf("  [<%016lx>] %s+%#lx\n", address, name, offset);
    else
        kprintf("  [<%016lx>] outside the kernel's code\n", address);
}

/*
 * Does a frame at this address lie on a stack: one of the image's, or, from lab 3 on, the kernel
 * stack that `here` lies on as well? Others may not be mapped.
 */
static bool on_stack(vaddr_t address, vaddr_t here)
{
    const vaddr_t size = sizeof(struct stack_frame);
    if (address >= (vaddr_t)data_start && address + size <= (vaddr_t)data_end)
        return true;
    vaddr_t slot = (here - KERNEL_STACKS_BASE) / KERNEL_STACK_SLOT;
    vaddr_t bottom = KERNEL_STACKS_BASE + slot * KERNEL_STACK_SLOT + STACK_GUARD_SIZE;
    return slot < KERNEL_STACKS && address >= bottom && address + size <= bottom + STACK_SIZE;
}

/*
 * Can this be a frame pointer? A caller's frame lies above its callee's, and not further away than
 * a stack is long. A wrong guess here would be a fault in the middle of a panic; panic_begin would
 * end that, but the backtrace with it.
 */
static bool plausible(const struct stack_frame *frame, const struct stack_frame *callee)
{
    vaddr_t address = (vaddr_t)frame;
    if (!is_aligned(address, sizeof(uint64_t)))
        return false;
    if (!on_stack(address, (vaddr_t)__builtin_frame_address(0)))
        return false;
    return callee == NULL || (frame > callee && address - (vaddr_t)callee < STACK_SIZE);
}

void print_backtrace(uint64_t rip, uint64_t rbp)
{
    kprintf("backtrace, the innermost function first:\n");
    print_address(rip);
    const struct stack_frame *callee = NULL, *frame = (const struct stack_frame *)rbp;
    for (int i = 0; i < BACKTRACE_LIMIT && plausible(frame, callee); i++) {
        if (frame->return_address == 0) /* boot.asm ends the chain so */
            break;
        print_address(frame->return_address);
        callee = frame;
        frame = frame->caller;
    }
}

void panic(const char *format, ...)
{
    cli();
    panic_begin();
    const struct stack_frame *frame = __builtin_frame_address(0);
    va_list args;
    va_start(args, format);
    kprintf("\nPANIC: ");
    kvprintf(format, args);
    va_end(args);
    kprintf("\n  cr0 %016lx  cr2 %016lx  cr3 %016lx  cr4 %016lx\n", read_cr0(), read_cr2(),
            read_cr3(), read_cr4());
    kprintf("  rsp %016lx  rbp %016lx\n", (uint64_t)(frame + 1), (uint64_t)frame->caller);
    print_backtrace(frame->return_address, (uint64_t)frame->caller);
    panic_end();
}

void must(error_t error)
{
    if (error != OK)
        panic("%s", error_words(error));
}
