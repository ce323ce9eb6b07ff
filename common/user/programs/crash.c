/* crash.c: a program that goes where it must not, to show that only the program suffers. */
#include "rung.h"

int main(int argc, char **argv, char **envp)
{
    (void)argc;
    (void)argv;
    (void)envp;
    print("crash: reading the kernel's memory\n");
    print_decimal(*(volatile long *)0xffffffff80101000);
    print("crash: it worked, which is terrible\n");
    return 1;
}
