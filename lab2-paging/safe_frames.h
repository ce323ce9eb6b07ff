/* safe_frames.h: frames that are certainly not page tables. */
#ifndef SAFE_FRAMES_H
#define SAFE_FRAMES_H

#include "error.h"
#include "types.h"

/* Is the frame one of the tables, of any level, that `root` leads to? The root itself counts. */
bool is_page_table_frame(paddr_t root, paddr_t frame);

/*
 * Allocate `count` frames that follow each other, none of which is a page table of `root`, and fill
 * them with zeroes: what a program will see must not tell what was there. Page tables are never
 * free, unless somebody freed one by mistake; then this is where it shows, before the tables are
 * overwritten. Such frames are left allocated, and the next are tried, SAFE_FRAME_TRIES times at
 * most: then ERROR_NO_SAFE_FRAMES. ERROR_NO_FRAMES, ERROR_COUNT as frame_alloc_run.
 */
error_t allocate_safe_frames(paddr_t root, uint64_t count, paddr_t *first);

#define SAFE_FRAME_TRIES 8192

#endif
