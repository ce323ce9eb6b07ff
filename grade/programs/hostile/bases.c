/*
 * bases.c: FS and GS bases of every value: of ours, of nobody, of the kernel.
 * Labs: 4
 * Prints: 0x0: 0 0
 * Prints: 0x1234: 0 0
 * Prints: 0x7fffffffefff: 0 0
 * Prints: 0x7ffffffff000: -1 -1
 * Prints: 0x800000000000: -1 -1
 * Prints: 0xffff7fffffffffff: -1 -1
 * Prints: 0xffff800000000000: -1 -1
 * Prints: 0xffffffff80101000: -1 -1
 * Prints: 0xffffffffffffffff: -1 -1
 * Prints: still: 0x7fffffffefff 0x7fffffffefff
 * Ends: exit 0
 */
#include "shared/hostile.h"

static void attempt(uint64_t base)
{
    print_hex(base);
    print(": ");
    print_decimal(system_call(SYS_arch_prctl, ARCH_SET_FS, base));
    print(" ");
    print_decimal(system_call(SYS_arch_prctl, ARCH_SET_GS, base));
    print("\n");
}

MAIN
{
    static const uint64_t bases[] = {
        0, 0x1234, USER_END - 1, USER_END, NOT_CANONICAL, WINDOW - 1, WINDOW, KERNEL, -1,
    };
    for (unsigned i = 0; i < sizeof(bases) / sizeof(bases[0]); i++)
        attempt(bases[i]);
    uint64_t fs = 0, gs = 0;
    system_call(SYS_arch_prctl, ARCH_GET_FS, &fs);
    system_call(SYS_arch_prctl, ARCH_GET_GS, &gs);
    print("still: ");
    print_hex(fs);
    print(" ");
    print_hex(gs);
    print("\n");
    return 0;
}
