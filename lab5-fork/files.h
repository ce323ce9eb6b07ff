/* files.h: what a process reads from and writes to: the console and pipes. */
#ifndef FILES_H
#define FILES_H

#include "types.h"

#define MAX_FILES 16

struct file;

/* A table with the console as 0, 1 and 2. */
void files_open_console(struct file *files[MAX_FILES]);

/* A copy of a table: the same open files, each with one more owner. */
void files_share(struct file *to[MAX_FILES], struct file *const from[MAX_FILES]);

/* Close all that is open; waits for nobody. */
void files_close_all(struct file *files[MAX_FILES]);

/* Register read, write, close, dup2 and pipe. */
void file_calls_init(void);

#endif
