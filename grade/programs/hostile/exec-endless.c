/*
 * exec-endless.c: arguments of 2 MiB in one word, in many words, in the environment; and a path as
 * long as that.
 * Labs: 5
 * Prints: one word: -7
 * Prints: many words: -7
 * Prints: the environment: -7
 * Prints: many empty words: -7
 * Prints: the path: -36
 * Ends: exit 0
 */
#include "shared/hostile.h"

#define SIZE (2 << 20)

static char text[SIZE];
static char *words[SIZE / sizeof(char *)], *nothing[] = {NULL};

static void fill_words(char *word)
{
    for (unsigned i = 0; i < SIZE / sizeof(char *) - 1; i++)
        words[i] = word;
}

MAIN
{
    for (int i = 0; i < SIZE - 1; i++)
        text[i] = 'x';
    char *one[] = {argv[0], text, NULL};
    result("one word", execve(argv[0], one, nothing));
    fill_words(argv[0]);
    result("many words", execve(argv[0], words, nothing));
    result("the environment", execve(argv[0], nothing, words));
    fill_words("");
    result("many empty words", execve(argv[0], words, nothing));
    result("the path", execve(text, nothing, nothing));
    return 0;
}
