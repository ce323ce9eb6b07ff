/* kill.c: signals from one process to others, and what each does. There are no handlers. */
#include "kill.h"
#include "errno.h"
#include "process.h"
#include "scheduler.h"
#include "signals.h"
#include "syscall.h"
#include "x86.h"

#define SIGNAL_LIMIT 65 /* signals are 1 to 64 */

/*
 * The default action (signal(7)) is mostly to end the process. Nobody can be stopped here, so the
 * signals that stop a process, or let it go on, do nothing.
 */
static bool is_deadly(int signal)
{
    switch (signal) {
    case 0:
    case SIGCHLD:
    case SIGCONT:
    case SIGSTOP:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
    case SIGURG:
    case SIGWINCH:
        return false;
    default:
        return true;
    }
}

/*
 * Another process is only marked, for it may stand in the middle of a system call: it ends itself,
 * before anything else, when its turn comes, by the first deadly signal that it got.
 */
static void send(struct process *process, int signal)
{
    if (!is_deadly(signal) || process->state == PROCESS_ZOMBIE || process->killed != 0)
        return;
    process->killed = signal;
    if (process->state == PROCESS_BLOCKED)
        make_ready(process);
}

/* To every process: there is one group of them. Who sends to all is spared, as is the first. */
static int64_t send_to_all(int signal, bool but_us)
{
    bool anybody = false;
    for (unsigned i = 0; i < process_table_end; i++) {
        struct process *process = &process_table[i];
        if (process->state == PROCESS_UNUSED || (but_us && (process == current_process || i == 0)))
            continue;
        anybody = true;
        send(process, signal);
    }
    return anybody ? 0 : -ESRCH;
}

/*
 * 0 is the group, -1 is everybody, another negative number another group: as on Linux, which looks
 * for the process before it looks at the signal.
 */
static int64_t send_to(int pid, int signal)
{
    struct process *process = process_find(pid);
    if ((pid > 0 && process == NULL) || (pid < -1 && pid != -process_table[0].pid))
        return -ESRCH;
    if (signal < 0 || signal >= SIGNAL_LIMIT)
        return -EINVAL;
    if (pid <= 0)
        return send_to_all(signal, pid == -1);
    send(process, signal);
    return 0;
}

static int64_t sys_kill(int pid, int signal)
{
    cli();
    int64_t result = send_to(pid, signal);
    end_if_killed(); /* by ourselves */
    sti();
    return result;
}

void kill_call_init(void)
{
    syscall_register(SYS_kill, SYSCALL(sys_kill));
}
