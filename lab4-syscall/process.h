/* process.h: a program that runs. In this lab they run one after the other. */
#ifndef PROCESS_H
#define PROCESS_H

#include "kernel_stack.h"
#include "types.h"
#include "user_stack.h"

struct process {
    const char *name;
    int pid;
    paddr_t root;
    vaddr_t entry;
    vaddr_t stack_pointer;
    uint64_t fs_base;
    vaddr_t heap_start; /* the break lies from here on: the page behind the last segment */
    vaddr_t heap_end;   /* the break */
    struct process_kernel_stack kernel_stack;
};

/* The process whose address space is in use; NULL while the kernel is on its own. */
extern struct process *current_process;

/*
 * Make a process of a program file: number, address space, segments, first stack page, kernel
 * stack. On an error everything is given back: those of load_elf, user_stack_create,
 * kernel_stack_create.
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
