/* cow.c: two processes, one memory, until one of them writes. */
#include "rung.h"

static volatile int shared = 1;

int main(int argc, char **argv, char **envp)
{
    (void)argc;
    (void)argv;
    (void)envp;
    int pid = fork();
    if (pid == 0) {
        shared = 2;
        print("child: ");
        print_decimal(shared);
        print("\n");
        exit(7);
    }
    int status = 0;
    wait4(pid, &status, 0);
    print("parent: still ");
    print_decimal(shared);
    print(", and the child left ");
    print_decimal(status >> 8);
    print("\n");
    return shared == 1 && status == 7 << 8 ? 0 : 1;
}
