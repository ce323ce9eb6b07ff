/* percpu.c: there is one processor, so there is one of these. */
#include "percpu.h"
#include "syscall_entry.h" /* or debuggers would not know what percpu.frame points to */

struct percpu percpu;
