/*
 * lab2.h: the interface of lab 2: what the grader and the later labs rely on, beside lab1.h.
 *
 * The grader stops the machine at the functions that are marked with a *. There, and once the
 * kernel is ready, it calls the functions below with arguments of its own, and looks at memory and
 * page tables from outside. A paddr_t goes in and out of a function as a plain 64-bit number.
 */
#ifndef LAB2_H
#define LAB2_H

#include "frames.h"       /* frames_init(*), frame_alloc ... frames_total */
#include "kernel_space.h" /* kernel_space_init(*), kernel_root */
#include "paging.h"       /* walk ... split_large_page */
#include "safe_frames.h"  /* is_page_table_frame, allocate_safe_frames */
#include "tour.h"         /* tour(*): by then frames_init is done, and the rest of lab 2 not used */
#include "window.h"       /* window_open(*), phys_offset, phys_to_virt */

#endif
