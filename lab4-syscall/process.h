/* process.h: a program that runs. In this lab they run one after the other. */
#ifndef PROCESS_H
#define PROCESS_H

#include "image.h"
#include "kernel_stack.h"

struct process {
    int pid;
    struct image image;
    struct process_kernel_stack kernel_stack;
};

/* The process whose address space is in use; NULL while the kernel is on its own. */
extern struct process *current_process;

/*
 * Make a process of a program file: its image, a kernel stack, and a number. On an error everything
 * is given back: those of image_create and kernel_stack_create.
 */
error_t process_create(struct process *process, const char *name, const void *file, uint64_t size,
                       const struct arguments *arguments);

/* Give back all that it has. It must not be the one that runs. */
void process_destroy(struct process *process);

/*
 * Run it until it ends, and return how it ended, encoded as for Linux's wait4: its exit status in
 * the bits 8 to 15, or the signal that ended it in the bits 0 to 6.
 */
int process_run(struct process *process);

/* The running process ends: by itself, with a status, or because of what it did, by a signal. */
void process_exit(int status) __attribute__((noreturn));
void process_kill(int signal) __attribute__((noreturn));

#endif
