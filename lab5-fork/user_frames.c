/*
 * user_frames.c: how many places a frame is mapped in.
 *
 * The count is of the places beyond the first. So it is 0 for a new frame, and nothing but fork,
 * the end of a mapping and the copy-on-write fault has to know that there are counts.
 */
#include "user_frames.h"
#include "frames.h"
#include "panic.h"
#include "string.h"
#include "window.h"

static uint16_t *others; /* by frame number */
static uint64_t limit;

error_t user_frames_init(void)
{
    limit = frame_limit();
    uint64_t bytes = limit * sizeof(*others);
    paddr_t memory;
    error_t error = frame_alloc_run(round_up(bytes, PAGE_SIZE) >> PAGE_SHIFT, &memory);
    if (error != OK)
        return error;
    others = phys_to_virt(memory);
    memset(others, 0, bytes);
    return OK;
}

static uint16_t *count_of(paddr_t frame)
{
    uint64_t number = frame.raw >> PAGE_SHIFT;
    assert(number < limit);
    return &others[number];
}

void user_frame_share(paddr_t frame)
{
    uint16_t *count = count_of(frame);
    assert(*count < UINT16_MAX);
    (*count)++;
}

void user_frame_release(paddr_t frame)
{
    uint16_t *count = count_of(frame);
    if (*count > 0)
        (*count)--;
    else
        must(frame_free(frame));
}

bool user_frame_is_shared(paddr_t frame)
{
    return *count_of(frame) > 0;
}
