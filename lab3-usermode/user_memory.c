/* user_memory.c: a program's pointers are looked up, and only then followed: in the window. */
#include "user_memory.h"
#include "paging.h"
#include "process.h"
#include "string.h"
#include "user_stack.h"
#include "window.h"

/* Where the kernel sees an address of the program; NULL if the program cannot see it either. */
static const char *look_up(paddr_t root, vaddr_t address)
{
    if (address >= USER_END)
        return NULL;
    paddr_t physical;
    if (translate(root, address, &physical) != OK)
        if (!user_stack_grow(root, address) || translate(root, address, &physical) != OK)
            return NULL;
    return phys_to_virt(physical);
}

size_t copy_from_user(void *to, vaddr_t from, size_t size)
{
    size_t done = 0;
    while (done < size) {
        vaddr_t address = from + done;
        const char *bytes = look_up(current_process->image.root, address);
        if (bytes == NULL || address < from)
            break;
        size_t step = PAGE_SIZE - address % PAGE_SIZE;
        if (step > size - done)
            step = size - done;
        memcpy((char *)to + done, bytes, step);
        done += step;
    }
    return done;
}
