/* boot_files.h: what the boot loader brought, seen through the kernel's own tables. */
#ifndef BOOT_FILES_H
#define BOOT_FILES_H

#include "error.h"

/*
 * To be called after kernel_space_init. Its window has the whole pages of available memory; a loader
 * may use the ends of a region as well, which fill no page. So map, read-only, what the window lacks
 * of the boot information and of the modules. ERROR_NO_FRAMES.
 */
error_t boot_files_init(void);

#endif
