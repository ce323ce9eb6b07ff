/* files.c: open files, and the system calls on them. */
#include "files.h"
#include "console_calls.h"
#include "console_input.h"
#include "errno.h"
#include "pipe.h"
#include "process.h"
#include "scheduler.h"
#include "serial.h"
#include "signals.h"
#include "syscall.h"
#include "user_memory.h"
#include "user_range.h"
#include "writev.h"
#include "x86.h"

#define OPEN_FILES 1024
#define CHUNK PIPE_BUF         /* what is moved at a time */
#define COUNT_LIMIT 0x7ffff000 /* what Linux reads or writes at most in one call */

enum file_kind { FILE_CLOSED, FILE_CONSOLE, FILE_PIPE_READ, FILE_PIPE_WRITE };

/* An open file. fork and dup2 make more owners of the same one. */
struct file {
    enum file_kind kind;
    unsigned owners;
    struct pipe *pipe;
};

static struct file open_files[OPEN_FILES];
static struct file console = {.kind = FILE_CONSOLE, .owners = 1}; /* never closed */

static struct file *file_open(enum file_kind kind, struct pipe *pipe)
{
    for (unsigned i = 0; i < OPEN_FILES; i++) {
        if (open_files[i].kind == FILE_CLOSED) {
            open_files[i] = (struct file){kind, 1, pipe};
            return &open_files[i];
        }
    }
    return NULL;
}

static void file_close(struct file *file)
{
    if (--file->owners > 0)
        return;
    if (file->kind == FILE_PIPE_READ)
        pipe_close_reader(file->pipe);
    if (file->kind == FILE_PIPE_WRITE)
        pipe_close_writer(file->pipe);
    file->kind = FILE_CLOSED;
}

void files_open_console(struct file *files[MAX_FILES])
{
    for (int fd = 0; fd < 3; fd++) {
        files[fd] = &console;
        console.owners++;
    }
}

void files_share(struct file *to[MAX_FILES], struct file *const from[MAX_FILES])
{
    for (int fd = 0; fd < MAX_FILES; fd++) {
        to[fd] = from[fd];
        if (to[fd] != NULL)
            to[fd]->owners++;
    }
}

void files_close_all(struct file *files[MAX_FILES])
{
    for (int fd = 0; fd < MAX_FILES; fd++) {
        if (files[fd] != NULL)
            file_close(files[fd]);
        files[fd] = NULL;
    }
}

static struct file *file_of(int fd)
{
    return fd >= 0 && fd < MAX_FILES ? current_process->files[fd] : NULL;
}

static int free_descriptor(int from)
{
    for (int fd = from; fd < MAX_FILES; fd++)
        if (current_process->files[fd] == NULL)
            return fd;
    return -EMFILE;
}

/* A pipe that nobody will read from ends its writer: by default that is what SIGPIPE does. */
static void write_to_pipe(struct pipe *pipe, const char *chunk, uint64_t size)
{
    if (pipe_write(pipe, chunk, size) == -EPIPE)
        process_kill(SIGPIPE);
}

static void write_chunk(struct file *file, const char *chunk, uint64_t size)
{
    if (file->kind == FILE_PIPE_WRITE)
        write_to_pipe(file->pipe, chunk, size);
    else
        put_on_console(chunk, size);
}

static int64_t sys_write(int fd, vaddr_t buffer, uint64_t count)
{
    struct file *file = file_of(fd);
    if (file == NULL || file->kind == FILE_PIPE_READ)
        return -EBADF;
    if (!is_user_range(buffer, count)) /* Linux asks before it cuts the count, and of no bytes */
        return -EFAULT;
    if (count > COUNT_LIMIT)
        count = COUNT_LIMIT;
    uint64_t done = 0;
    while (done < count) {
        char chunk[CHUNK];
        uint64_t step = count - done < CHUNK ? count - done : CHUNK;
        uint64_t copied = copy_from_user(chunk, buffer + done, step);
        write_chunk(file, chunk, copied);
        done += copied;
        give_way();
        if (copied < step)
            return done > 0 ? (int64_t)done : -EFAULT;
    }
    return (int64_t)done;
}

static syscall_t write_pieces; /* lab 4's: one write after the other */

/* Put the pieces of a list together: how much it is. 0 if that does not fit, or is not readable. */
static uint64_t gather(char chunk[CHUNK], vaddr_t list, uint64_t count)
{
    uint64_t size = 0;
    for (uint64_t i = 0; i < count; i++) {
        struct iovec piece;
        if (!get_iovec(&piece, list, i) || !is_user_range(piece.base, piece.length) ||
            piece.length > CHUNK - size ||
            copy_from_user(chunk + size, piece.base, piece.length) != piece.length)
            return 0;
        size += piece.length;
    }
    return size;
}

/* In a pipe, up to PIPE_BUF bytes are one piece also if they come in several (POSIX, writev). */
static int64_t sys_writev(int fd, vaddr_t list, uint64_t count)
{
    struct file *file = file_of(fd);
    char chunk[CHUNK];
    uint64_t size = 0;
    if (file != NULL && file->kind == FILE_PIPE_WRITE && count <= CHUNK)
        size = gather(chunk, list, count);
    if (size == 0) {
        int64_t done = write_pieces((uint64_t)fd, list, count, 0, 0, 0);
        give_way(); /* also if nothing was written: to look at many pieces takes long */
        return done;
    }
    write_to_pipe(file->pipe, chunk, size);
    give_way();
    return (int64_t)size;
}

/* As much as is there, but at least something: that is waited for. 0 is the end of the file. */
static int64_t sys_read(int fd, vaddr_t buffer, uint64_t count)
{
    struct file *file = file_of(fd);
    if (file == NULL || file->kind == FILE_PIPE_WRITE)
        return -EBADF;
    if (!is_user_range(buffer, count)) /* Linux asks before it cuts the count, and of no bytes */
        return -EFAULT;
    char chunk[CHUNK];
    uint64_t wanted = count < CHUNK ? count : CHUNK;
    if (wanted == 0)
        return 0;
    uint64_t got = file->kind == FILE_PIPE_READ ? pipe_read(file->pipe, chunk, wanted)
                                                : console_read(chunk, wanted);
    if (copy_to_user(buffer, chunk, got) == got)
        return (int64_t)got;
    if (file->kind == FILE_PIPE_READ)
        pipe_put_back(file->pipe, got);
    return -EFAULT;
}

static int64_t sys_close(int fd)
{
    struct file *file = file_of(fd);
    if (file == NULL)
        return -EBADF;
    current_process->files[fd] = NULL;
    cli();
    file_close(file); /* who waits at the other end of a pipe is woken */
    sti();
    return 0;
}

static int64_t sys_dup2(int from, int to)
{
    struct file *file = file_of(from);
    if (file == NULL || to < 0 || to >= MAX_FILES)
        return -EBADF;
    if (from == to)
        return to;
    file->owners++;
    sys_close(to);
    current_process->files[to] = file;
    return to;
}

static int64_t sys_pipe(vaddr_t address)
{
    int fds[2] = {free_descriptor(0), -EMFILE};
    if (fds[0] >= 0)
        fds[1] = free_descriptor(fds[0] + 1);
    if (fds[1] < 0)
        return -EMFILE;
    struct pipe *pipe = pipe_create();
    if (pipe == NULL)
        return -ENOMEM;
    struct file *reader = file_open(FILE_PIPE_READ, pipe);
    struct file *writer = file_open(FILE_PIPE_WRITE, pipe);
    bool ok = reader != NULL && writer != NULL;
    if (!ok || copy_to_user(address, fds, sizeof(fds)) != sizeof(fds)) {
        if (reader != NULL)
            reader->kind = FILE_CLOSED;
        if (writer != NULL)
            writer->kind = FILE_CLOSED;
        pipe_destroy(pipe);
        return ok ? -EFAULT : -ENFILE;
    }
    current_process->files[fds[0]] = reader;
    current_process->files[fds[1]] = writer;
    return 0;
}

void file_calls_init(void)
{
    syscall_register(SYS_read, SYSCALL(sys_read));
    syscall_register(SYS_write, SYSCALL(sys_write));
    write_pieces = syscall_lookup(SYS_writev);
    syscall_register(SYS_writev, SYSCALL(sys_writev));
    syscall_register(SYS_close, SYSCALL(sys_close));
    syscall_register(SYS_dup2, SYSCALL(sys_dup2));
    syscall_register(SYS_pipe, SYSCALL(sys_pipe));
}
