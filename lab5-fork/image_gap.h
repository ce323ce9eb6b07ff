/* image_gap.h: a program's memory without what is known to be empty. */
#ifndef IMAGE_GAP_H
#define IMAGE_GAP_H

#include "image.h"
#include "user_tables.h"

/* Where it has no memory: between the heap and the lowest page that the stack may grow to. */
struct gap image_gap(const struct image *image);

/* Give all of its memory back. It must not be the address space in use. */
void image_destroy(const struct image *image);

#endif
