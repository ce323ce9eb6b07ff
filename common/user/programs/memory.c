/* memory.c: a stack that grows, a heap that grows and shrinks, and thread-local storage. */
#include "rung.h"

#define KIB 1024

/* Use `depth` KiB of stack, and say how far down that was. */
static uintptr_t dig(int depth)
{
    volatile char hole[KIB];
    hole[0] = (char)depth;
    return depth > 1 ? dig(depth - 1) + (uintptr_t)hole[0] - (uintptr_t)depth : (uintptr_t)hole;
}

int main(int argc, char **argv, char **envp)
{
    (void)argv;
    (void)envp;
    print("stack: ");
    print_decimal((long)((uintptr_t)&argc - dig(600)) / KIB);
    print(" KiB deep\n");

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
