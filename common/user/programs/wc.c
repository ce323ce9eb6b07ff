/* wc.c: counts the bytes and lines of its input. */
#include "rung.h"

int main(int argc, char **argv, char **envp)
{
    (void)argc;
    (void)argv;
    (void)envp;
    char data[128];
    long bytes = 0, lines = 0, got;
    while ((got = read(0, data, sizeof(data))) > 0) {
        bytes += got;
        for (long i = 0; i < got; i++)
            lines += data[i] == '\n';
    }
    print_decimal(lines);
    print(" lines, ");
    print_decimal(bytes);
    print(" bytes\n");
    return 0;
}
