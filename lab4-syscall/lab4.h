/*
 * lab4.h: the interface of lab 4: that of labs 1 to 3, and what the grader and the later labs
 * rely on from here on. Lab 4 itself has monitor(*) as well.
 *
 * The grader stops the machine at the functions that are marked with a *.
 */
#ifndef LAB4_H
#define LAB4_H

#include "lab3.h"

#include "boot_return.h"   /* enter_usermode_returnable(*), boot_return_to_kernel(*), records */
#include "memory_calls.h"  /* memory_calls_init(*) */
#include "percpu.h"        /* percpu */
#include "process.h"       /* process_create, process_run, process_exit(*), process_kill(*) */
#include "process_calls.h" /* process_calls_init(*) */
#include "program_files.h" /* programs_get, programs_find */
#include "programs.h"      /* programs_baseline(*), programs_run(*), programs_run_one */
#include "syscall_entry.h" /* init_syscall(*), syscall_entry(*), get_saved_user_rsp, ... */
#include "user_memory.h"   /* copy_from_user, copy_to_user */

#endif
