/* memory.c: a stack that grows, a heap that grows and shrinks, and thread-local storage. */
#include "rung.h"

#define KIB 1024

static uintptr_t deepest;

/* Use at least `depth` KiB of stack, and note how far down that was. */
static int dig(int depth)
{
    volatile char hole[KIB];
    hole[0] = (char)depth;
    deepest = (uintptr_t)&hole;
    return depth > 1 ? dig(depth - 1) + hole[0] : 0;
}

int main(int argc, char **argv, char **envp)
{
    (void)argv;
    (void)envp;
    dig(600);
    print("stack: ");
    print((uintptr_t)&argc - deepest >= 599 * KIB ? "600 KiB" : "not much");
    print(" deep\n");

    long heap = system_call(SYS_brk, 0);
    if (system_call(SYS_brk, heap + 64 * KIB) != heap + 64 * KIB) {
        print("heap: it does not grow\n");
        return 1;
    }
    long sum = 0;
    for (int i = 0; i < 64 * KIB; i++)
        sum += ((char *)heap)[i];
    print("heap: 64 KiB that add up to ");
    print_decimal(sum);
    print("\n");
    system_call(SYS_brk, heap);

    static uint64_t block[2] = {0, 0x1234};
    system_call(SYS_arch_prctl, ARCH_SET_FS, block);
    uint64_t local;
    __asm__ volatile("movq %%fs:8, %0" : "=r"(local));
    print("thread-local storage: ");
    print_hex(local);
    print("\n");
    return 0;
}
