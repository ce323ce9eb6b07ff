/* baseline.c: the direct-execution test. */
#include "console_calls.h"
#include "print.h"
#include "program_files.h"
#include "programs.h"

#define BASELINE_BYTES 49

bool programs_baseline(void)
{
    kprintf("=== CRITICAL BASELINE TEST: Direct Hello World Execution ===\n");
    struct program baseline = programs_first();
    uint64_t written = console_bytes_written();
    int status = programs_run_one(&baseline);
    written = console_bytes_written() - written;
    kprintf("BASELINE: status %#x, %lu bytes written\n", (unsigned)status, written);
    return status == 0 && written == BASELINE_BYTES;
}
