/* kernel_space.c: the kernel's own address space, with no right more than it needs. */
#include "kernel_space.h"
#include "frames.h"
#include "memory_range.h"
#include "not_written.h"
#include "paging.h"
#include "print.h"
#include "sections.h"
#include "string.h"
#include "tlb.h"
#include "window.h"

paddr_t kernel_root;

/*
 * Exercise 2.8 (15 points), first part. Map the part of the image from `start` to `end`, both page
 * aligned, to where it lies in physical memory.
 */
static error_t map_image(const char *start, const char *end, uint64_t flags)
{
    /* { solution 2.8 */
    for (const char *page = start; page < end; page += PAGE_SIZE) {
        error_t error = map_page(kernel_root, (vaddr_t)page, image_paddr(page), flags);
        if (error != OK)
            return error;
    }
    return OK;
    /* } solution */
}

/* Second part. Take away the guard page of each stack of the image: see sections.h. */
static error_t unmap_guards(void)
{
    /* { solution 2.8 */
    const struct kernel_stack *stack = (const void *)stacks_start;
    for (; (const char *)stack < stacks_end; stack++) {
        paddr_t frame;
        error_t error = unmap_page(kernel_root, (vaddr_t)stack->guard, &frame);
        if (error != OK)
            return error;
    }
    return OK;
    /* } solution */
}

/* The highest level whose page at `start` is aligned and does not go beyond `end`. */
static unsigned fitting_level(uint64_t start, uint64_t end)
{
    unsigned level = largest_page_level();
    while (level > 1 && (!is_aligned(start, pte_span(level)) || end - start < pte_span(level)))
        level--;
    return level;
}

/*
 * Map [start, end) of physical memory in the window. Regions of the memory map may overlap: where
 * something is mapped already, smaller pages are tried, and a small page that is there is good.
 */
static error_t map_in_window(uint64_t start, uint64_t end)
{
    while (start < end) {
        unsigned level = fitting_level(start, end) + 1;
        error_t error;
        do {
            level--;
            vaddr_t address = WINDOW_BASE + start;
            error = level > 1
                        ? map_large_page(kernel_root, address, paddr(start), READ_WRITE, level)
                        : map_page(kernel_root, address, paddr(start), READ_WRITE);
        } while (error == ERROR_ALREADY_MAPPED && level > 1);
        if (error != OK && error != ERROR_ALREADY_MAPPED)
            return error;
        start += pte_span(level);
    }
    return OK;
}

static error_t map_window(void)
{
    struct memory_region region;
    for (size_t i = 0; bootinfo_region(i, &region); i++) {
        struct range usable = usable_range(&region);
        error_t error =
            map_in_window(round_up(usable.start, PAGE_SIZE), round_down(usable.end, PAGE_SIZE));
        if (error != OK)
            return error;
    }
    return OK;
}

/*
 * Third part. The window shows the image a second time, and there it is all writable: make code and
 * constants, which follow each other, READ_ONLY.
 */
static error_t protect_image_in_window(void)
{
    /* { solution 2.8 */
    for (const char *page = text_start; page < rodata_end; page += PAGE_SIZE) {
        vaddr_t address = (vaddr_t)phys_to_virt(image_paddr(page));
        error_t error = protect_page(kernel_root, address, READ_ONLY);
        if (error != OK)
            return error;
    }
    return OK;
    /* } solution */
}

static error_t new_root(void)
{
    error_t error = frame_alloc(&kernel_root);
    if (error == OK)
        memset(phys_to_virt(kernel_root), 0, PAGE_SIZE);
    return error;
}

/* Fourth part. All of kernel_space.h, in an order that works; in the end use the tables. */
error_t kernel_space_init(void)
{
    /* { solution 2.8 */
    error_t error = new_root();
    if (error == OK)
        error = map_image(text_start, text_end, READ_EXECUTE);
    if (error == OK)
        error = map_image(rodata_start, rodata_end, READ_ONLY);
    if (error == OK)
        error = map_image(data_start, data_end, READ_WRITE);
    if (error == OK)
        error = unmap_guards();
    if (error == OK)
        error = map_window();
    if (error == OK)
        error = protect_image_in_window();
    if (error == OK)
        switch_address_space(kernel_root);
    return error;
    /* } solution */
}
