/* monitor.h: a few commands on the serial line. */
#ifndef MONITOR_H
#define MONITOR_H

/* Read and obey commands until the user leaves. */
void monitor(void);

#endif
