/* pipe.c: pipes. A pipe is one frame: what it has to know of itself, and the buffer. */
#include "pipe.h"
#include "errno.h"
#include "frames.h"
#include "panic.h"
#include "scheduler.h"
#include "window.h"
#include "x86.h"

#define BUFFER (PAGE_SIZE - 32)

struct pipe {
    uint64_t written; /* bytes since the beginning */
    uint64_t taken;   /* of them; the difference lies in buffer */
    paddr_t frame;
    bool has_reader, has_writer;
    char buffer[BUFFER];
};

_Static_assert(sizeof(struct pipe) <= PAGE_SIZE, "it must fit into its frame");

struct pipe *pipe_create(void)
{
    paddr_t frame;
    if (frame_alloc(&frame) != OK)
        return NULL;
    struct pipe *pipe = phys_to_virt(frame);
    pipe->written = pipe->taken = 0;
    pipe->frame = frame;
    pipe->has_reader = pipe->has_writer = true;
    return pipe;
}

void pipe_destroy(struct pipe *pipe)
{
    must(frame_free(pipe->frame));
}

static void end_gone(struct pipe *pipe)
{
    wakeup(pipe);
    if (!pipe->has_reader && !pipe->has_writer)
        pipe_destroy(pipe);
}

void pipe_close_reader(struct pipe *pipe)
{
    pipe->has_reader = false;
    end_gone(pipe);
}

void pipe_close_writer(struct pipe *pipe)
{
    pipe->has_writer = false;
    end_gone(pipe);
}

static uint64_t room(const struct pipe *pipe)
{
    return BUFFER - (pipe->written - pipe->taken);
}

int64_t pipe_write(struct pipe *pipe, const char *data, uint64_t size)
{
    cli();
    while (pipe->has_reader && room(pipe) < size)
        sleep_on(pipe);
    bool has_reader = pipe->has_reader;
    if (has_reader) {
        for (uint64_t i = 0; i < size; i++)
            pipe->buffer[pipe->written++ % BUFFER] = data[i];
        wakeup(pipe);
    }
    sti();
    return has_reader ? 0 : -EPIPE;
}

void pipe_put_back(struct pipe *pipe, uint64_t size)
{
    pipe->taken -= size;
}

uint64_t pipe_read(struct pipe *pipe, char *data, uint64_t size)
{
    uint64_t done = 0;
    cli();
    while (pipe->written == pipe->taken && pipe->has_writer)
        sleep_on(pipe);
    while (done < size && pipe->taken < pipe->written)
        data[done++] = pipe->buffer[pipe->taken++ % BUFFER];
    if (done > 0)
        wakeup(pipe);
    sti();
    return done;
}
