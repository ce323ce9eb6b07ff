/* signals.h: what ends a program against its will, by Linux's numbers. */
#ifndef SIGNALS_H
#define SIGNALS_H

#define SIGILL 4
#define SIGTRAP 5
#define SIGBUS 7
#define SIGFPE 8
#define SIGKILL 9
#define SIGSEGV 11
#define SIGPIPE 13
#define SIGTERM 15

#endif
