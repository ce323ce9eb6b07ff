/*
 * exec-pointers.c: a path, argv and envp that are not ours, not there, or end where memory does.
 * Labs: 5
 * Prints: no path: -14
 * Prints: empty: -2
 * Prints: a path nowhere: -14
 * Prints: a path in the kernel: -14
 * Prints: a path that is not canonical: -14
 * Prints: a path that runs off: -14
 * Prints: argv nowhere: -14
 * Prints: argv in the kernel: -14
 * Prints: argv that runs off: -14
 * Prints: a word nowhere: -14
 * Prints: a word in the kernel: -14
 * Prints: a word that runs off: -14
 * Prints: envp in the kernel: -14
 * Prints: envp with a word in the kernel: -14
 * Ends: exit 0
 */
#include "shared/hostile.h"

static const char *path;
static const uint64_t nothing[] = {0};

static void attempt(const char *what, uint64_t file, uint64_t arguments, uint64_t environment)
{
    result(what, system_call(SYS_execve, file, arguments, environment));
}

static void attempt_argv(const char *what, uint64_t arguments)
{
    attempt(what, (uintptr_t)path, arguments, (uintptr_t)nothing);
}

static void attempt_word(const char *what, uint64_t word)
{
    const uint64_t words[] = {(uintptr_t)path, word, 0};
    attempt_argv(what, (uintptr_t)words);
}

/* The last bytes of a page with nothing behind it. */
static uint64_t edge(uint64_t size)
{
    uint64_t page = ((uint64_t)system_call(SYS_brk, 0) + PAGE_SIZE - 1) & -(uint64_t)PAGE_SIZE;
    system_call(SYS_brk, page + PAGE_SIZE);
    return page + PAGE_SIZE - size;
}

static uint64_t text_at_the_edge(const char *text, uint64_t size)
{
    char *at = (char *)edge(size);
    for (uint64_t i = 0; i < size; i++)
        at[i] = text[i];
    return (uintptr_t)at;
}

static uint64_t word_at_the_edge(uint64_t word)
{
    uint64_t *at = (uint64_t *)edge(sizeof(word));
    *at = word;
    return (uintptr_t)at;
}

static void attempt_path(const char *what, uint64_t file)
{
    attempt(what, file, (uintptr_t)nothing, (uintptr_t)nothing);
}

MAIN
{
    path = argv[0];
    const uint64_t in_kernel[] = {(uintptr_t)path, KERNEL, 0};
    attempt_path("no path", 0);
    attempt_path("empty", (uintptr_t)nothing);
    attempt_path("a path nowhere", UNMAPPED);
    attempt_path("a path in the kernel", KERNEL);
    attempt_path("a path that is not canonical", NOT_CANONICAL);
    attempt_path("a path that runs off", text_at_the_edge("sh", 2));
    attempt_argv("argv nowhere", UNMAPPED);
    attempt_argv("argv in the kernel", KERNEL & -8UL);
    attempt_argv("argv that runs off", word_at_the_edge((uintptr_t)path));
    attempt_word("a word nowhere", UNMAPPED);
    attempt_word("a word in the kernel", KERNEL);
    attempt_word("a word that runs off", text_at_the_edge("word", 4));
    attempt("envp in the kernel", (uintptr_t)path, (uintptr_t)nothing, KERNEL & -8UL);
    attempt("envp with a word in the kernel", (uintptr_t)path, (uintptr_t)nothing,
            (uintptr_t)in_kernel);
    return 0;
}
