/* memory_calls.c: brk, which moves the end of a program's heap. */
#include "memory_calls.h"
#include "address_space.h"
#include "paging.h"
#include "process.h"
#include "syscall.h"
#include "user_frames.h"

#define HEAP_LIMIT (USER_STACK_LIMIT - PAGE_SIZE) /* a guard page below the stack */

static void unmap_pages(vaddr_t start, vaddr_t end)
{
    for (vaddr_t page = start; page < end; page += PAGE_SIZE) {
        paddr_t frame;
        if (unmap_page(current_process->image.root, page, &frame) == OK)
            user_frame_release(frame);
    }
}

/* Map [start, end), all of it or nothing. */
static bool map_pages(vaddr_t start, vaddr_t end)
{
    for (vaddr_t page = start; page < end; page += PAGE_SIZE) {
        paddr_t frame;
        if (address_space_add_page(current_process->image.root, page, READ_WRITE, &frame) != OK) {
            unmap_pages(start, page);
            return false;
        }
    }
    return true;
}

/* The new break; the old one if it cannot be as asked for, as Linux has it (brk(2), notes). */
static int64_t sys_brk(vaddr_t wanted)
{
    struct image *image = &current_process->image;
    if (wanted < image->heap_start || wanted > HEAP_LIMIT)
        return (int64_t)image->heap_end;
    vaddr_t now = round_up(image->heap_end, PAGE_SIZE), then = round_up(wanted, PAGE_SIZE);
    if (then > now && !map_pages(now, then))
        return (int64_t)image->heap_end;
    unmap_pages(then, now);
    image->heap_end = wanted;
    return (int64_t)wanted;
}

void memory_calls_init(void)
{
    syscall_register(SYS_brk, SYSCALL(sys_brk));
}
