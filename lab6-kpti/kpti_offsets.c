/* kpti_offsets.c: what entry.asm knows of a new field of struct percpu: see offsets.h. */
#include "offsets.h"
#include "percpu.h"

static void __attribute__((used)) offsets(void)
{
    OFFSET(PERCPU_SCRATCH, struct percpu, scratch);
}
