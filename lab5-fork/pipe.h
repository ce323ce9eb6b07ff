/* pipe.h: bytes that go in at one end and come out at the other. */
#ifndef PIPE_H
#define PIPE_H

#include "types.h"

struct pipe;

/* A pipe with one reader and one writer; NULL if there is no memory. */
struct pipe *pipe_create(void);
void pipe_destroy(struct pipe *pipe);

/* An end is gone; with both, the pipe is too. Interrupts must be off: who waits is woken. */
void pipe_close_reader(struct pipe *pipe);
void pipe_close_writer(struct pipe *pipe);

/* Write all of it, waiting for room. Without a reader the writer is ended by SIGPIPE. */
void pipe_write(struct pipe *pipe, const char *data, uint64_t size);

/* Read what is there, waiting for the first byte: how much; 0 if there is none and no writer. */
uint64_t pipe_read(struct pipe *pipe, char *data, uint64_t size);

/* What was read last could not be delivered: it is there again. Only before anybody else has run. */
void pipe_put_back(struct pipe *pipe, uint64_t size);

#endif
