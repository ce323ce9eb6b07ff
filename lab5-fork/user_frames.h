/* user_frames.h: frames that several programs may have at once. */
#ifndef USER_FRAMES_H
#define USER_FRAMES_H

#include "error.h"
#include "types.h"

/* Must be called once, after frames_init. ERROR_NO_FRAMES. */
error_t user_frames_init(void);

/* The frame is mapped in one more place. */
void user_frame_share(paddr_t frame);

/* The frame is no longer mapped in one of its places; with the last one it is free. */
void user_frame_release(paddr_t frame);

/* Is it mapped in more than one place? */
bool user_frame_is_shared(paddr_t frame);

#endif
