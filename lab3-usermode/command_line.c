/* command_line.c: words and blanks. */
#include "command_line.h"
#include "string.h"

static void split(char *line, const char *argv[ARGUMENT_LIMIT + 1])
{
    size_t argc = 0;
    while (argc < ARGUMENT_LIMIT) {
        while (*line == ' ')
            line++;
        if (*line == '\0')
            break;
        argv[argc++] = line;
        while (*line != ' ' && *line != '\0')
            line++;
        if (*line == ' ')
            *line++ = '\0';
    }
    argv[argc] = NULL;
}

bool command_line_split(struct command_line *words, const char *line)
{
    size_t length = strnlen(line, LINE_LIMIT - 1);
    memcpy(words->text, line, length);
    words->text[length] = '\0';
    split(words->text, words->argv);
    if (words->argv[0] == NULL)
        words->argv[0] = "program";
    return line[length] == '\0';
}
