/*
 * exec-no-arguments.c: execve without any argv, and with an empty one. A program counts on argv[0]
 * (CVE-2021-4034 came of one that had none), so it gets an empty text. And a name that is a whole
 * line is nobody's.
 * Labs: 5
 * Prints: a name with a blank: -2
 * Prints: arguments: 1 (2 times)
 * Prints: length of the first: 0
 * Prints: a NULL behind it: 1
 * Ends: exit 0
 */
#include "shared/hostile.h"

static char **none[] = {NULL};

/* Again, and the environment says how often. */
static void again(const char *path, void *arguments, char *times)
{
    char *environment[] = {times, (char *)path, NULL};
    result("execve", system_call(SYS_execve, path, arguments, environment));
}

MAIN
{
    if (argc > 0 && argv[0][0] != '\0') {
        result("a name with a blank",
               execve(beside(argv[0], "exec-no-arguments.elf go"), argv, envp));
        again(argv[0], NULL, "first");
        return 1;
    }
    result("arguments", argc);
    if (same(envp[0], "first"))
        again(envp[1], none, "second");
    result("length of the first", (long)length(argv[0]));
    result("a NULL behind it", argv[1] == NULL);
    return 0;
}
