/* user_frames.h: the end of a program's page. */
#ifndef USER_FRAMES_H
#define USER_FRAMES_H

#include "types.h"

/* A frame is no longer mapped in one of the places where a program had it. */
void user_frame_release(paddr_t frame);

#endif
