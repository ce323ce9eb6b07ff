/*
 * host.h: what every test program here shares: assertions that say what was seen, tests that do not
 * hide each other, and random numbers that come out the same every time.
 *
 * A program includes the kernel's source itself (#include "bitset.c"), so that it is compiled with
 * the sanitizers, may replace what it calls, and can be asked about its static parts.
 */
#ifndef HOST_H
#define HOST_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define HELPER __attribute__((unused)) static /* not every program needs all of them */

/* ---- Assertions. A false one ends the test. */

static char trying[300]; /* what is being tried, for the message */

HELPER __attribute__((format(printf, 1, 2))) void attempt(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(trying, sizeof(trying), format, args);
    va_end(args);
}

HELPER __attribute__((format(printf, 3, 4), noreturn)) void fail(const char *file, int line,
                                                                 const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("%s:%d: ", file, line);
    vprintf(format, args);
    va_end(args);
    printf("%s%s\n", trying[0] != '\0' ? "\n    when trying: " : "", trying);
    fflush(stdout);
    _exit(1);
}

#define expect(condition)                                                                          \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail(__FILE__, __LINE__, "not true: %s", #condition);                                  \
    } while (0)

#define expect_equal(seen, expected)                                                               \
    do {                                                                                           \
        uint64_t seen_ = (uint64_t)(seen), expected_ = (uint64_t)(expected);                       \
        if (seen_ != expected_)                                                                    \
            fail(__FILE__, __LINE__, "%s is %#" PRIx64 ", not %#" PRIx64 " (%s)", #seen, seen_,    \
                 expected_, #expected);                                                            \
    } while (0)

#define expect_text(seen, expected)                                                                \
    do {                                                                                           \
        const char *seen_ = (seen), *expected_ = (expected);                                       \
        if (strcmp(seen_, expected_) != 0)                                                         \
            fail(__FILE__, __LINE__, "%s is \"%s\", not \"%s\"", #seen, seen_, expected_);         \
    } while (0)

/* ---- Memory, just as much as was asked for, so that the sanitizer sees the byte behind it. */

HELPER void *room(size_t size)
{
    void *memory = malloc(size);
    expect(memory != NULL);
    return memory;
}

HELPER void *zeroed_room(size_t size)
{
    return memset(room(size), 0, size);
}

/* ---- Random numbers (xorshift64*, Vigna 2016). */

static uint64_t rng_state = 0x9e3779b97f4a7c15;

HELPER uint64_t rng(void)
{
    rng_state ^= rng_state >> 12;
    rng_state ^= rng_state << 25;
    rng_state ^= rng_state >> 27;
    return rng_state * 0x2545f4914f6cdd1d;
}

HELPER uint64_t below(uint64_t limit)
{
    return rng() % limit;
}

HELPER bool one_in(uint64_t n)
{
    return below(n) == 0;
}

/* Small and large numbers alike: a random count of random bits. */
HELPER uint64_t any_number(void)
{
    return rng() >> below(64);
}

#define PICK(array) ((array)[below(sizeof(array) / sizeof((array)[0]))])

/* ---- Tests. Each runs in a process of its own, on a kernel as it is at power-on. */

struct test {
    const char *name;
    void (*run)(void);
};

#define TEST(function) ((struct test){#function, function})

HELPER bool passes(const struct test *test)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        alarm(60); /* a test that hangs ends, and leaves nothing behind */
        test->run();
        exit(0);
    }
    int status;
    bool passed = child > 0 && waitpid(child, &status, 0) == child && status == 0;
    printf("%s: %s\n", test->name, passed ? "passed" : "FAILED");
    return passed;
}

HELPER int run_tests(const struct test *tests, size_t count)
{
    int failures = 0;
    for (size_t i = 0; i < count; i++)
        failures += !passes(&tests[i]);
    return failures != 0;
}

#define MAIN(...)                                                                                  \
    int main(void)                                                                                 \
    {                                                                                              \
        static const struct test tests[] = {__VA_ARGS__};                                          \
        return run_tests(tests, sizeof(tests) / sizeof(tests[0]));                                 \
    }

#endif
