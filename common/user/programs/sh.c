/* sh.c: a small shell: programs with arguments, pipes between them, and exit. */
#include "rung.h"

#define LINE 128
#define WORDS (LINE / 2) /* a line holds no more */

static char *environment[] = {NULL};

/*
 * Read a line from the terminal, showing what is typed; 0 at the end of the input. Nothing of a line
 * that is too long counts: half a command is another command.
 */
static int read_line(char line[LINE])
{
    int n = 0;
    char c;
    for (;;) {
        if (read(0, &c, 1) != 1)
            return 0;
        if (c == '\r' || c == '\n')
            break;
        if ((c == '\b' || c == 0x7f) && n > 0) {
            n--;
            print("\b \b");
        } else if (c >= ' ' && c < 0x7f) {
            if (n < LINE - 1)
                line[n] = c;
            n++;
            write(1, &c, 1);
        }
    }
    line[n < LINE ? n : 0] = '\0';
    print(n < LINE ? "\n" : "\nsh: this line is too long\n");
    return 1;
}

/* Cut a command into words at its blanks. */
static int split(char *line, char *words[WORDS + 1])
{
    int n = 0;
    while (n < WORDS) {
        while (*line == ' ')
            line++;
        if (*line == '\0')
            break;
        words[n++] = line;
        while (*line != ' ' && *line != '\0')
            line++;
        if (*line == ' ')
            *line++ = '\0';
    }
    words[n] = NULL;
    return n;
}

/* Become a program; only comes back as a message. */
static void become(char *words[])
{
    execve(words[0], words, environment);
    print(words[0]);
    print(": no such program\n");
    exit(127);
}

/* Start a command with this input and output; the other end of its output's pipe is not for it. */
static int start(char *command, int in, int out, int other)
{
    char *words[WORDS + 1];
    if (split(command, words) == 0)
        return -1;
    int pid = fork();
    if (pid != 0)
        return pid;
    if (in != 0) {
        dup2(in, 0);
        close(in);
    }
    if (out != 1) {
        dup2(out, 1);
        close(out);
        close(other);
    }
    become(words);
    return -1;
}

static void report(int pid, int status)
{
    if (status == 0)
        return;
    print("[");
    print_decimal(pid);
    print(status & 0x7f ? "] ended by signal " : "] status ");
    print_decimal(status & 0x7f ? status & 0x7f : status >> 8);
    print("\n");
}

/* Run the commands of a line, each one's output the next one's input, and wait for them all. */
static void run(char *line)
{
    int in = 0;
    for (char *next; line != NULL; line = next) {
        for (next = line; *next != '|' && *next != '\0'; next++)
            ;
        if (*next == '|')
            *next++ = '\0';
        else
            next = NULL;
        int ends[2] = {0, 1};
        if (next != NULL && pipe(ends) != 0)
            print("sh: no more pipes\n");
        start(line, in, ends[1], ends[0]);
        if (in != 0)
            close(in);
        if (ends[1] != 1) /* else there is no pipe */
            close(ends[1]);
        in = next != NULL ? ends[0] : 0;
    }
    int status, pid;
    while ((pid = wait4(-1, &status, 0)) > 0)
        report(pid, status);
}

int main(int argc, char **argv, char **envp)
{
    (void)argc;
    (void)argv;
    (void)envp;
    char line[LINE];
    print("Rung's shell. Programs: hello memory crash family cow wc sh; a | b; Ctrl-D; exit\n");
    for (;;) {
        print("$ ");
        if (!read_line(line) || same(line, "exit"))
            return 0;
        run(line);
    }
}
