/* percpu.c: it lies in the entry area: kernel.ld puts the section there, and kpti_init maps the page. */
#include "percpu.h"

struct percpu percpu __attribute__((section(".percpu")));
