/* library.c: what programs share. */
#include "rung.h"

long write(int fd, const void *data, size_t size)
{
    return system_call(SYS_write, fd, data, size);
}

void exit(int status)
{
    for (;;)
        system_call(SYS_exit, status);
}

long read(int fd, void *data, size_t size)
{
    return system_call(SYS_read, fd, data, size);
}

int close(int fd)
{
    return (int)system_call(SYS_close, fd);
}

int dup2(int from, int to)
{
    return (int)system_call(SYS_dup2, from, to);
}

int pipe(int fds[2])
{
    return (int)system_call(SYS_pipe, fds);
}

int getpid(void)
{
    return (int)system_call(SYS_getpid);
}

int fork(void)
{
    return (int)system_call(SYS_fork);
}

int execve(const char *path, char *const argv[], char *const envp[])
{
    return (int)system_call(SYS_execve, path, argv, envp);
}

int wait4(int pid, int *status, int options)
{
    return (int)system_call(SYS_wait4, pid, status, options, 0L);
}

int same(const char *a, const char *b)
{
    for (; *a == *b; a++, b++)
        if (*a == '\0')
            return 1;
    return 0;
}

size_t length(const char *text)
{
    size_t n = 0;
    while (text[n] != '\0')
        n++;
    return n;
}

void print(const char *text)
{
    write(1, text, length(text));
}

static void print_unsigned(uint64_t value, unsigned base, const char *prefix)
{
    char text[24];
    size_t start = sizeof(text);
    do {
        text[--start] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    print(prefix);
    write(1, text + start, sizeof(text) - start);
}

void print_decimal(long value)
{
    print_unsigned(value < 0 ? -(uint64_t)value : (uint64_t)value, 10, value < 0 ? "-" : "");
}

void print_hex(uint64_t value)
{
    print_unsigned(value, 16, "0x");
}
