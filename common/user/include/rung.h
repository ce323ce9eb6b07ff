/* rung.h: the small library of programs. It works on Linux as well: the system calls are the same. */
#ifndef RUNG_H
#define RUNG_H

#include <stddef.h>
#include <stdint.h>

int main(int argc, char **argv, char **envp);

/* Any system call; below 0 an error, negated. */
long system_call(long number, ...);

#define SYS_write 1
#define SYS_exit 60

long write(int fd, const void *data, size_t size);
void exit(int status) __attribute__((noreturn));

size_t length(const char *text);

/* Write a text, or a number in decimal or hexadecimal, to the standard output. */
void print(const char *text);
void print_decimal(long value);
void print_hex(uint64_t value);

#endif
