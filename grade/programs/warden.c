/*
 * warden.c: the first process of labs 5 and 6, which runs the hostile programs as its children, one
 * after the other. What wait4 says of them it keeps in its memory, where the grader looks.
 */
#include "hostile/shared/hostile.h"

#define PLAN_SIZE (1 << 17)
#define CHILDREN 4096
#define WORDS 8
#define NOT_STARTED 64 /* a signal that no program ends by */

struct fate {
    int forked, waited; /* the child's number, by fork and by wait4 */
    int status;
};

/* The grader writes the plan over this: a line to print, and then a line for each program. */
char plan[PLAN_SIZE] = "the plan\n";

struct fate fates[CHILDREN];
static char *const environment[] = {NULL};

/* Where the grader stops the machine when all programs have ended. */
void all_have_ended(void);
__attribute__((noinline)) void all_have_ended(void)
{
    __asm__ volatile("");
}

/* Cut off the line that begins here; where the next one begins. */
static char *cut_line(char *line)
{
    while (*line != '\n')
        line++;
    *line = '\0';
    return line + 1;
}

static void split(char *line, char *words[WORDS + 1])
{
    int n = 0;
    while (*line != '\0' && n < WORDS) {
        words[n++] = line;
        while (*line != ' ' && *line != '\0')
            line++;
        if (*line == ' ')
            *line++ = '\0';
    }
    words[n] = NULL;
}

static void become(char *line)
{
    char *words[WORDS + 1];
    split(line, words);
    execve(words[0], words, environment);
    system_call(SYS_kill, getpid(), NOT_STARTED);
}

/* Run a program until it and all that it left behind have ended: orphans become our children. */
static void run(char *line, struct fate *fate)
{
    int status, pid = fork();
    if (pid == 0)
        become(line);
    fate->forked = pid;
    for (int ended; (ended = wait4(-1, &status, 0)) > 0;) {
        if (ended == pid) {
            fate->waited = ended;
            fate->status = status;
        }
    }
}

/* The children have nothing to read, and cannot write there either. */
static void empty_input(void)
{
    int ends[2];
    pipe(ends);
    dup2(ends[0], 0);
    close(ends[0]);
    close(ends[1]);
}

static void print_line(const char *line)
{
    print(line);
    print("\n");
}

MAIN
{
    empty_input();
    char *line = cut_line(plan);
    for (int i = 0; *line != '\0' && i < CHILDREN; i++) {
        char *next = cut_line(line);
        print_line(plan);
        run(line, &fates[i]);
        line = next;
    }
    print_line(plan);
    all_have_ended();
    return 0;
}
