/*
 * lab2.h: the interface of lab 2: that of lab 1, and what the grader and the later labs rely on
 * from here on. Lab 2 itself has tour(*) as well: by then frames_init is done, and no more.
 *
 * The grader stops the machine at the functions that are marked with a *. There, and once the
 * kernel is ready, it calls the functions below with arguments of its own, and looks at memory and
 * page tables from outside. A paddr_t goes in and out of a function as a plain 64-bit number.
 */
#ifndef LAB2_H
#define LAB2_H

#include "lab1.h"

#include "frames.h"       /* frames_init(*), frame_alloc ... frames_total */
#include "kernel_space.h" /* kernel_space_init(*), kernel_root */
#include "paging.h"       /* walk ... split_large_page */
#include "safe_frames.h"  /* is_page_table_frame, allocate_safe_frames */
#include "window.h"       /* window_open(*), phys_offset, phys_to_virt */

#endif
