/* writev.c: one write after the other. */
#include "writev.h"
#include "errno.h"
#include "syscall.h"
#include "user_memory.h"
#include "user_range.h"

#define PIECES_LIMIT 1024 /* IOV_MAX */

bool get_iovec(struct iovec *piece, vaddr_t list, uint64_t index)
{
    return copy_from_user(piece, list + index * sizeof(*piece), sizeof(*piece)) == sizeof(*piece);
}

/* Whatever is wrong with the list itself: Linux looks before it writes the first byte. */
static int64_t check_pieces(vaddr_t list, uint64_t count)
{
    if (count > PIECES_LIMIT)
        return -EINVAL;
    for (uint64_t i = 0; i < count; i++) {
        struct iovec piece;
        if (!get_iovec(&piece, list, i))
            return -EFAULT;
        if ((int64_t)piece.length < 0)
            return -EINVAL;
        if (!is_user_range(piece.base, piece.length))
            return -EFAULT;
    }
    return 0;
}

static int64_t write_piece(int fd, const struct iovec *piece)
{
    return syscall_lookup(SYS_write)((uint64_t)fd, piece->base, piece->length, 0, 0, 0);
}

/* One write after the other; what has been written counts, also if a later one fails. */
static int64_t sys_writev(int fd, vaddr_t list, uint64_t count)
{
    struct iovec piece = {0, 0};
    int64_t error = write_piece(fd, &piece); /* is fd open? */
    if (error == 0)
        error = check_pieces(list, count);
    int64_t done = 0;
    for (uint64_t i = 0; error == 0 && i < count && get_iovec(&piece, list, i); i++) {
        int64_t written = write_piece(fd, &piece);
        if (written > 0)
            done += written;
        if ((uint64_t)written != piece.length) /* the rest is not readable */
            error = -EFAULT;
    }
    return done > 0 ? done : error;
}

void writev_init(void)
{
    syscall_register(SYS_writev, SYSCALL(sys_writev));
}
