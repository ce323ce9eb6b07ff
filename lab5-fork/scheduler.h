/* scheduler.h: who runs next. */
#ifndef SCHEDULER_H
#define SCHEDULER_H

#include "process.h"

/* Interrupts must be off for all of these but sched_init. */

/* Let it run when its turn comes: it joins the queue at its end. */
void make_ready(struct process *process);

/*
 * Run somebody else: the first in the queue. Returns when it is the caller's turn again, at once if
 * it is the only one; if nobody is ready, waits for an interrupt that changes that. Does not return
 * to a process that has been killed meanwhile: it ends in here. So the caller, and whoever called
 * yield or sleep_on, must hold nothing that process_kill does not give back.
 */
void schedule(void);

/* To the end of the queue, and somebody else's turn. */
void yield(void);

/* Wait for a wakeup of `channel`. */
void sleep_on(const void *channel);

/* All that wait for it are ready. */
void wakeup(const void *channel);

/* Wait until timer_ticks() is at least this. */
void sleep_until(uint64_t tick);

/* The turn of the running process may be over: the timer came while the kernel was at work. */
void yield_if_due(void);

/* The same for a call that takes long, and that is being served with interrupts on. */
void give_way(void);

/*
 * If the running process was killed while another one ran, this is its end. It is asked wherever a
 * process begins to run again, in schedule, and for the first time, in forked_child_starts. In
 * between nobody else runs who could kill it: so who is in ring 3 has not been killed.
 */
void end_if_killed(void);

/* Keep what belongs to ring 3 in the processor, and put it back. */
void save_user_state(struct user_state *user);
void load_user_state(const struct user_state *user);

/* After int80_init. From now on the timer interrupts ring 3 to let others run, and wakes those that wait for time. */
void sched_init(void);

#endif
