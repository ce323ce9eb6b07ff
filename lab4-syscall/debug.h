/* debug.h: #DB, in whichever ring it comes. */
#ifndef DEBUG_H
#define DEBUG_H

/* From now on a #DB of ring 0 harms nobody. Those of ring 3 stay with whoever had them before. */
void debug_init(void);

#endif
