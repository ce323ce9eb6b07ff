/* image_gap.c: the gap, and an end that does not look into it. */
#include "image_gap.h"
#include "address_space.h"

struct gap image_gap(const struct image *image)
{
    return (struct gap){round_up(image->heap_end, PAGE_SIZE), USER_STACK_LIMIT};
}

void image_destroy(const struct image *image)
{
    user_tables_free(image->root, image_gap(image));
    address_space_free_root(image->root);
}
