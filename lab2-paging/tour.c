/* tour.c: a first use of everything in this lab, before the kernel itself depends on it. */
#include "tour.h"
#include "frames.h"
#include "paging.h"
#include "panic.h"
#include "print.h"
#include "safe_frames.h"
#include "string.h"
#include "window.h"
#include "x86.h"

#define A_PAGE 0x400000
#define A_LARGE_PAGE 0x40000000

static void show_translation(const char *what, paddr_t root, vaddr_t address)
{
    paddr_t physical;
    error_t error = translate(root, address, &physical);
    if (error == OK)
        kprintf("tour: %s: %#lx is at %#lx\n", what, address, physical.raw);
    else
        kprintf("tour: %s: %#lx: %s\n", what, address, error_words(error));
}

static void tour_of_one_page(paddr_t root)
{
    paddr_t frame;
    must(frame_alloc(&frame));
    must(map_user_page(root, A_PAGE, frame, READ_WRITE));
    show_translation("mapped", root, A_PAGE + 0x123);
    must(unmap_page(root, A_PAGE, &frame));
    show_translation("unmapped", root, A_PAGE + 0x123);
    must(frame_free(frame));
}

/* One page of a large one gets other rights, so the large one must be split. */
static void tour_of_a_large_page(paddr_t root)
{
    must(map_large_page(root, A_LARGE_PAGE, paddr(0), READ_WRITE, 2));
    must(protect_page(root, A_LARGE_PAGE + PAGE_SIZE, PTE_NO_EXECUTE));
    show_translation("split", root, A_LARGE_PAGE + PAGE_SIZE);
    for (vaddr_t page = A_LARGE_PAGE; page < A_LARGE_PAGE + LARGE_PAGE_SIZE; page += PAGE_SIZE) {
        paddr_t frame;
        must(unmap_page(root, page, &frame));
    }
}

static void tour_of_safe_frames(paddr_t root)
{
    paddr_t first;
    must(allocate_safe_frames(root, 4, &first));
    kprintf("tour: 4 safe frames from %#lx\n", first.raw);
    for (uint64_t i = 0; i < 4; i++)
        must(frame_free(paddr_add(first, i * PAGE_SIZE)));
}

void tour(void)
{
    paddr_t root;
    must(frame_alloc(&root));
    memset(phys_to_virt(root), 0, PAGE_SIZE);
    kprintf("tour: page tables from %#lx\n", root.raw);

    show_translation("this code", paddr(read_cr3() & PTE_FRAME_MASK), (vaddr_t)tour);
    tour_of_one_page(root);
    tour_of_a_large_page(root);
    tour_of_safe_frames(root);

    must(frame_free(root));
    kprintf("tour: %lu of %lu frames free\n", frames_free(), frames_total());
}
