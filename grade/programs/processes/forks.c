/* forks.c: so many children, one after the other; each proves that its memory is its own. */
#include "rung.h"

static volatile uint64_t shared;

static long number(const char *text)
{
    long n = 0;
    while (*text != '\0')
        n = n * 10 + (*text++ - '0');
    return n;
}

int main(int argc, char **argv, char **envp)
{
    (void)envp;
    long forks = argc > 1 ? number(argv[1]) : 100, wrong = 0;
    for (long i = 0; i < forks; i++) {
        shared = (uint64_t)i;
        int pid = fork();
        if (pid == 0) {
            int status = shared == (uint64_t)i ? (int)(i % 251) : 255;
            shared = ~0ULL;
            exit(status);
        }
        int status = -1;
        if (pid < 0 || wait4(pid, &status, 0) != pid || status != (int)(i % 251) << 8 ||
            shared != (uint64_t)i)
            wrong++;
    }
    print("wrong: ");
    print_decimal(wrong);
    print("\n");
    return wrong != 0;
}
