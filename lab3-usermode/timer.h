/* timer.h: the clock that interrupts whatever runs. */
#ifndef TIMER_H
#define TIMER_H

#include "types.h"

/* Program the interrupt controllers and the timer: VECTOR_TIMER comes TIMER_HZ times a second. */
void timer_init(void);

/* Interrupts since then. */
uint64_t timer_ticks(void);

#endif
