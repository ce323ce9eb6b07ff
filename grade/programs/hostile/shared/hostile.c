/* hostile.c: reading numbers, telling results, and waiting for other processes. */
#include "hostile.h"

static unsigned digit(char c)
{
    return c >= 'a' ? (unsigned)(c - 'a') + 10 : (unsigned)(c - '0');
}

uint64_t number(const char *text)
{
    uint64_t value = 0;
    int negative = *text == '-';
    text += negative;
    int hexadecimal = text[0] == '0' && text[1] == 'x';
    for (text += 2 * hexadecimal; *text != '\0'; text++)
        value = value * (hexadecimal ? 16 : 10) + digit(*text);
    return negative ? -value : value;
}

void result(const char *what, long value)
{
    print(what);
    print(": ");
    print_decimal(value);
    print("\n");
}

int status_of(int pid)
{
    int status = 0, waited = wait4(pid, &status, 0);
    return waited == pid ? status & ~0x80 : -1;
}

void ended(const char *what, int pid)
{
    int status = 0, waited = wait4(pid, &status, 0);
    print(what);
    if (waited != pid)
        result("", waited);
    else if (status & 0x7f)
        result(": signal", status & 0x7f);
    else
        result(": exit", status >> 8);
}

void await(const int ends[2])
{
    char byte;
    read(ends[0], &byte, 1);
}

void release(const int ends[2])
{
    write(ends[1], "", 1);
}

void rest(int milliseconds)
{
    const int64_t time[2] = {0, milliseconds * 1000000L};
    system_call(SYS_nanosleep, time, 0L);
}

void only_on_rung(void)
{
    static char names[6 * 65];
    if (system_call(SYS_uname, names) != 0)
        return;
    print("not on a kernel that has more than Rung\n");
    exit(98);
}

const char *beside(const char *program, const char *name)
{
    static char path[512];
    size_t directory = 0, i = 0;
    for (; i < sizeof(path) - 1 && program[i] != '\0'; i++) {
        path[i] = program[i];
        if (program[i] == '/')
            directory = i + 1;
    }
    for (i = 0; directory + i < sizeof(path) - 1 && name[i] != '\0'; i++)
        path[directory + i] = name[i];
    path[directory + i] = '\0';
    return path;
}
