/* percpu.c: there is one processor, so there is one of these. */
#include "percpu.h"

struct percpu percpu;
