/* nmi.c: counting NMIs. On a real machine this is where hardware errors and profilers knock. */
#include "nmi.h"
#include "trap.h"

static uint64_t count;

static void on_nmi(struct trap_frame *frame)
{
    (void)frame;
    count++;
}

void nmi_init(void)
{
    trap_register(VECTOR_NMI, on_nmi);
}

uint64_t nmi_count(void)
{
    return count;
}
