/* frames.h: physical memory in units of 4 KiB: who may have which. */
#ifndef FRAMES_H
#define FRAMES_H

#include "error.h"
#include "types.h"

/*
 * Take over all usable memory that the boot loader reports and that nobody uses yet. The boot
 * information must have been taken over and the window opened: else ERROR_NO_BOOT_INFO or
 * ERROR_NO_WINDOW. ERROR_NO_FRAMES if there is no room for the allocator's own tables.
 */
error_t frames_init(void);

/*
 * Allocate one frame, or `count` frames that follow each other. The lowest that fit are taken, and
 * nothing is promised about what is in them. On an error *frame is not touched: ERROR_NO_FRAMES if
 * there are none, or no such run; ERROR_COUNT if count is 0.
 */
error_t frame_alloc(paddr_t *frame);
error_t frame_alloc_run(uint64_t count, paddr_t *first);

/* Two frames, the first with an even number: lab 6 wants such pairs. Errors and all else as above. */
error_t frame_alloc_pair(paddr_t *first);

/*
 * Give one frame back, also one of a run. Nothing changes on an error: ERROR_UNALIGNED;
 * ERROR_FOREIGN_FRAME for what the allocator never had to give; ERROR_DOUBLE_FREE. A frame that the
 * caller has can always be given back. So an error is a mistake of the kernel's own: it must not
 * happen, and callers say so: must(frame_free(frame)).
 */
error_t frame_free(paddr_t frame);

/* One past the number of the last frame of usable memory. */
uint64_t frame_limit(void);

/* How many frames are free now, and how many the allocator was given at the start. */
uint64_t frames_free(void);
uint64_t frames_total(void);

#endif
