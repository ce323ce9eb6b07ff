/* process.h: the process table. */
#ifndef PROCESS_H
#define PROCESS_H

#include "error.h"
#include "files.h"
#include "image.h"
#include "kernel_stack.h"

#define MAX_PROCESSES 512
#define PID_LIMIT 0x400000 /* the highest number, as on Linux */

enum process_state {
    PROCESS_UNUSED,
    PROCESS_READY,   /* in the queue of those that want to run */
    PROCESS_RUNNING, /* current_process */
    PROCESS_BLOCKED, /* waiting for wakeup(channel) */
    PROCESS_ZOMBIE,  /* ended, and its parent has not asked how */
};

/* What belongs to ring 3 and is not on the kernel stack: it is exchanged on a switch. */
struct user_state {
    uint8_t fpu[512] __attribute__((aligned(16))); /* FXSAVE's image */
    uint64_t fs_base, gs_base;
    uint16_t ds, es, fs, gs;
};

struct process {
    int pid;
    enum process_state state;
    struct process *parent; /* NULL for the first, and for orphans when that has ended */
    int status;             /* of a zombie, as wait4 gives it */
    int killed;             /* the signal that ends it when its turn comes; 0 for who runs */

    struct image image; /* what execve exchanges */
    struct file *files[MAX_FILES];

    struct process_kernel_stack kernel_stack;
    uint64_t kernel_rsp; /* where entries from ring 3 begin: TSS.rsp0 and percpu.kernel_rsp */
    uint64_t switch_rsp; /* where switch_stacks goes on, while it is not running */
    struct syscall_frame *syscall; /* percpu.frame, while it is not running */
    const void *channel;           /* what a blocked one waits for */
    uint64_t wake_at;              /* and if that is time: until when, in ticks */
    struct process *next;          /* in the queue */

    struct user_state user; /* the last: take_place leaves it as it is */
};

extern struct process *current_process;
extern struct process process_table[MAX_PROCESSES];

/* One past the highest place of the table that was ever used: nobody need look further. */
extern unsigned process_table_end;

/*
 * A free place in the table, with a number and a kernel stack and nothing else. ERROR_NO_PROCESS if
 * there is none, and the errors of kernel_stack_create.
 */
error_t process_allocate(struct process **process);

/* The place is free again. It keeps its kernel stack, for the next one. */
void process_free(struct process *process);

/* The process with this number; NULL if there is none, or only a place that is unused. */
struct process *process_find(int pid);

/*
 * Make the first process of a program file, with the console as its files 0, 1 and 2. Errors of
 * process_allocate and image_create: everything is given back.
 */
error_t process_create(struct process **process, const char *name, const void *file, uint64_t size,
                       const struct arguments *arguments);

/*
 * Run the first process, and with it all that it forks, until the last of them has ended. Returns
 * how the first one ended; then no process is left.
 */
int process_run(struct process *first);

/* The running process ends: by itself, with a status, or because of what it did, by a signal. */
void process_exit(int status) __attribute__((noreturn));
void process_kill(int signal) __attribute__((noreturn));

/* How many processes there are that have not ended, and how many there ever were. */
unsigned processes_alive(void);
unsigned processes_started(void);

#endif
