/* command_line.h: the line that names a program and its arguments. */
#ifndef COMMAND_LINE_H
#define COMMAND_LINE_H

#include "types.h"

#define LINE_LIMIT 256
#define ARGUMENT_LIMIT (LINE_LIMIT / 2) /* a line holds no more words */

/* A copy of a line, cut into words: argv has them, and a NULL. */
struct command_line {
    char text[LINE_LIMIT];
    const char *argv[ARGUMENT_LIMIT + 1];
};

/*
 * Cut a line into words at its blanks. Without any, the first is "program". False if the line has
 * LINE_LIMIT characters or more: half a line would name other arguments.
 */
bool command_line_split(struct command_line *words, const char *line);

#endif
