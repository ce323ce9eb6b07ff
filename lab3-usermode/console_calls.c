/* console_calls.c: write and exit, as Linux has them. The console is the only file, and always open. */
#include "console_calls.h"
#include "errno.h"
#include "not_written.h"
#include "process.h"
#include "serial.h"
#include "syscall.h"
#include "syscall_numbers.h"
#include "user_memory.h"
#include "user_range.h"

static uint64_t bytes_written;

uint64_t console_bytes_written(void)
{
    return bytes_written;
}

#define CHUNK 256
#define WRITE_LIMIT 0x7ffff000 /* what Linux writes at most in one call */

void put_on_console(const char *text, uint64_t size)
{
    for (uint64_t i = 0; i < size; i++)
        serial_putc(text[i]);
    bytes_written += size;
}

/*
 * Exercise 3.7, second part. ssize_t write(int fd, const void *buffer, size_t count) to the console:
 * fd 1 and 2, else -EBADF. A buffer that is no is_user_range is -EFAULT at once. Returns how many
 * bytes were written; fewer than count if the rest is not readable, and -EFAULT if not even the
 * first is. Use copy_from_user CHUNK by CHUNK, and put_on_console.
 */
static int64_t sys_write(int fd, vaddr_t buffer, uint64_t count)
{
    /* { solution 3.7 */
    if (fd != 1 && fd != 2)
        return -EBADF;
    if (!is_user_range(buffer, count))
        return -EFAULT;
    if (count > WRITE_LIMIT)
        count = WRITE_LIMIT;
    uint64_t done = 0;
    while (done < count) {
        char chunk[CHUNK];
        uint64_t step = count - done < CHUNK ? count - done : CHUNK;
        uint64_t copied = copy_from_user(chunk, buffer + done, step);
        put_on_console(chunk, copied);
        done += copied;
        if (copied < step)
            return done > 0 ? (int64_t)done : -EFAULT;
    }
    return (int64_t)done;
    /* } solution */
}

static int64_t sys_exit(int status)
{
    process_exit(status & 0xff);
}

void console_calls_init(void)
{
    syscall_register(SYS_write, SYSCALL(sys_write));
    syscall_register(SYS_exit, SYSCALL(sys_exit));
}
