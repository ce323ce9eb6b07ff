/*
 * pipe-records.c: four processes write records to one pipe, much more than goes in at once, and the
 * youngest of them begins; two write each in two parts. None may be torn, however little is read at
 * a time.
 * Labs: 5
 * Prints: records: 400
 * Prints: torn: 0
 * Prints: writers: 4
 * Ends: exit 0
 */
#include "shared/hostile.h"

#define WRITERS 4
#define RECORDS 100
#define SIZE 300 /* less than POSIX's least PIPE_BUF */

static char record[SIZE];

static void write_records(int fd, int writer)
{
    const uint64_t parts[4] = {(uintptr_t)record, 100, (uintptr_t)record + 100, SIZE - 100};
    for (int i = 0; i < SIZE; i++)
        record[i] = (char)('a' + writer);
    for (int i = 0; i < RECORDS; i++) {
        long written = writer % 2 == 0 ? write(fd, record, SIZE)
                                       : system_call(SYS_writev, (long)fd, parts, 2L);
        if (written != SIZE)
            exit(1);
    }
}

/* Fill `record` from the pipe, in steps that are never a whole one: false at its end. */
static int read_record(int fd)
{
    static long step;
    long done = 0, got = 1;
    while (done < SIZE && got > 0) {
        long wanted = step++ % 97 + 1;
        got = read(fd, record + done, (size_t)(wanted < SIZE - done ? wanted : SIZE - done));
        done += got;
    }
    return done == SIZE;
}

static int is_torn(void)
{
    for (int i = 1; i < SIZE; i++)
        if (record[i] != record[0])
            return 1;
    return 0;
}

MAIN
{
    int ends[2], records = 0, torn = 0, writers = 0;
    pipe(ends);
    for (int i = 0; i < WRITERS; i++)
        if (fork() == 0) {
            rest(20 * (WRITERS - i));
            write_records(ends[1], i);
            exit(0);
        }
    close(ends[1]);
    rest(20 * (WRITERS + 1));
    for (; read_record(ends[0]); records++)
        torn += is_torn();
    for (int status; wait4(-1, &status, 0) > 0;)
        writers += status == 0;
    result("records", records);
    result("torn", torn);
    result("writers", writers);
    return 0;
}
