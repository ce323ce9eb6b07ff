/* image.h: a program in memory. */
#ifndef IMAGE_H
#define IMAGE_H

#include "error.h"
#include "types.h"
#include "user_stack.h"

#define NAME_SIZE 32

struct image {
    char name[NAME_SIZE]; /* for messages: of a longer one, its beginning */
    paddr_t root;
    vaddr_t entry;
    vaddr_t stack_pointer;
    vaddr_t heap_start; /* the page behind the last segment: from lab 4 on, brk begins here */
    vaddr_t heap_end;   /* where it is now: the break */
};

/*
 * Make an address space with a program in it, ready to be entered. On an error everything is given
 * back: those of address_space_create, load_elf, user_stack_create.
 */
error_t image_create(struct image *image, const char *name, const void *file, uint64_t size,
                     const struct arguments *arguments);

#endif
