/*
 * lab3.h: the interface of lab 3: that of labs 1 and 2, and what the grader and the later labs
 * rely on from here on.
 *
 * The grader stops the machine at the functions that are marked with a *.
 */
#ifndef LAB3_H
#define LAB3_H

#include "lab2.h"

#include "address_space.h" /* address_space_create, address_space_destroy, address_space_add_page */
#include "console_calls.h" /* write and exit */
#include "cpu.h"           /* cpu_init(*) */
#include "elf_check.h"     /* elf_check */
#include "elf_load.h"      /* load_elf */
#include "image.h"         /* image_create */
#include "int80.h"         /* int80_init(*) */
#include "kernel_stack.h"  /* copy_kernel_stack_to_process, set_kernel_stack, get_tss */
#include "process.h"    /* current_process, process_create(*), process_exit(*), process_kill(*) */
#include "programs.h"   /* programs_run(*); in this lab programs_done(*) */
#include "timer.h"      /* timer_init(*), timer_ticks */
#include "user_range.h" /* is_user_range */
#include "user_stack.h" /* user_stack_create, user_stack_grow */
#include "usermode.h"   /* enter_usermode(*), user_fs_base */

#endif
