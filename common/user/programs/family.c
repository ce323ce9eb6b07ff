/* family.c: a tree of processes. Each waits for its children and passes on how many there were. */
#include "rung.h"

/* Have two children down to this depth; the number of processes in the tree, by exit statuses. */
static int grow(int depth)
{
    int count = 1;
    if (depth == 0)
        return count;
    for (int i = 0; i < 2; i++) {
        int pid = fork();
        if (pid == 0)
            exit(grow(depth - 1));
        if (pid < 0)
            print("fork: no more\n");
    }
    int status;
    while (wait4(-1, &status, 0) > 0)
        count += status >> 8;
    return count;
}

int main(int argc, char **argv, char **envp)
{
    (void)argc;
    (void)argv;
    (void)envp;
    print("family: ");
    print_decimal(grow(4));
    print(" processes\n");
    return 0;
}
