/* process.h: a program that runs. In this lab there is one, and when it ends, all does. */
#ifndef PROCESS_H
#define PROCESS_H

#include "image.h"
#include "kernel_stack.h"

struct process {
    struct image image;
    struct process_kernel_stack kernel_stack;
};

/* The process whose address space is in use; NULL before the first. */
extern struct process *current_process;

/*
 * Make a process of a program file: its image, and a kernel stack. On an error everything is given
 * back: those of image_create, kernel_stack_create and copy_kernel_stack_to_process.
 */
error_t process_create(struct process *process, const char *name, const void *file, uint64_t size,
                       const struct arguments *arguments);

/* Give back all that it has. It must not be the one that runs. */
void process_destroy(struct process *process);

/* Run it. Does not return: process_exit or process_kill is how it ends. */
void process_run(struct process *process) __attribute__((noreturn));

/* The running process ends: by itself, with a status, or because of what it did, by a signal. */
void process_exit(int status) __attribute__((noreturn));
void process_kill(int signal) __attribute__((noreturn));

#endif
