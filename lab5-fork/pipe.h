/* pipe.h: bytes that go in at one end and come out at the other. */
#ifndef PIPE_H
#define PIPE_H

#include "types.h"

/* A write of up to so much is one piece in the pipe, with nothing of others between (POSIX). */
#define PIPE_BUF 512

struct pipe;

/* A pipe with one reader and one writer; NULL if there is no memory. */
struct pipe *pipe_create(void);
void pipe_destroy(struct pipe *pipe);

/* An end is gone; with both, the pipe is too. Interrupts must be off: who waits is woken. */
void pipe_close_reader(struct pipe *pipe);
void pipe_close_writer(struct pipe *pipe);

/* Write at most PIPE_BUF bytes when there is room for all: 0. -EPIPE, and nothing, without a reader. */
int64_t pipe_write(struct pipe *pipe, const char *data, uint64_t size);

/* Read what is there, waiting for the first byte: how much; 0 if there is none and no writer. */
uint64_t pipe_read(struct pipe *pipe, char *data, uint64_t size);

/* What was read last could not be delivered: it is there again. Only before anybody else has run. */
void pipe_put_back(struct pipe *pipe, uint64_t size);

#endif
