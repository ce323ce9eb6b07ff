/*
 * kill-self.c: end by a signal of one's own, by way of a system call; a child of ours does it too.
 * Labs: 5
 * Arguments: 1
 * Prints: child: signal: $1
 * Ends: SIGHUP
 * Arguments: 2
 * Prints: child: signal: $1
 * Ends: SIGINT
 * Arguments: 6
 * Prints: child: signal: $1
 * Ends: SIGABRT
 * Arguments: 9
 * Prints: child: signal: $1
 * Ends: SIGKILL
 * Arguments: 11
 * Prints: child: signal: $1
 * Ends: SIGSEGV
 * Arguments: 13
 * Prints: child: signal: $1
 * Ends: SIGPIPE
 * Arguments: 15
 * Prints: child: signal: $1
 * Ends: SIGTERM
 */
#include "shared/hostile.h"

MAIN
{
    int signal = (int)number(argv[1]), pid = fork();
    if (pid == 0) {
        system_call(SYS_kill, getpid(), signal);
        print("survived\n");
        exit(99);
    }
    ended("child", pid);
    system_call(SYS_kill, getpid(), signal);
    print("survived\n");
    return 99;
}
