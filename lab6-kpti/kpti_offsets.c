/* kpti_offsets.c: what entry.asm knows of the new fields of struct percpu: see offsets.h. */
#include "offsets.h"
#include "percpu.h"

static void __attribute__((used)) offsets(void)
{
    OFFSET(PERCPU_SCRATCH, struct percpu, scratch);
    OFFSET(PERCPU_CR3_SWITCH, struct percpu, cr3_switch);
}
