/* tour.h: the lab on show. */
#ifndef TOUR_H
#define TOUR_H

/*
 * Use each thing that lab 2 builds once, in the order of the exercises, and print what came of it.
 * frames_init must be done. Leaves everything as it was.
 */
void tour(void);

#endif
