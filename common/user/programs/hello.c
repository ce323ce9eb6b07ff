/* hello.c: the first program. It says hello in exactly 49 bytes, and lists its arguments. */
#include "rung.h"

int main(int argc, char **argv, char **envp)
{
    (void)envp;
    print("Hello from userspace! (via Rung syscall handler)\n");
    for (int i = 1; i < argc; i++) {
        print("argument: ");
        print(argv[i]);
        print("\n");
    }
    return 0;
}
