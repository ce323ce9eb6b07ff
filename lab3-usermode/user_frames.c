/* user_frames.c: each page of a program has a frame of its own, so with the page the frame is free. */
#include "user_frames.h"
#include "frames.h"
#include "panic.h"

void user_frame_release(paddr_t frame)
{
    must(frame_free(frame));
}
