/* error.c: the words for each error. */
#include "error.h"
#include "types.h"

static const char *const words_of[] = {
#define ERROR_WORDS(name, words) [name] = words,
    ERRORS(ERROR_WORDS)
#undef ERROR_WORDS
};

const char *error_words(error_t error)
{
    return (size_t)error < ARRAY_SIZE(words_of) ? words_of[error] : "unknown error";
}
