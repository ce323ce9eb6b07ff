/* random.c: numbers that a program cannot guess. */
#include "random.h"
#include "string.h"
#include "x86.h"

#define TRIES 10 /* as Intel advises (SDM vol. 1 7.3.17) */

/* Each bit of the counter changes half of the result's (the finalizer of SplitMix64). */
static uint64_t mixed_time(void)
{
    static uint64_t sum;
    sum += rdtsc() + 0x9e3779b97f4a7c15;
    uint64_t z = sum;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static uint64_t random_word(void)
{
    uint64_t word;
    if (cpuid(CPUID_VERSION, 0).ecx & CPUID_VERSION_ECX_RDRAND)
        for (int i = 0; i < TRIES; i++)
            if (rdrand(&word))
                return word;
    return mixed_time();
}

void random_fill(void *to, size_t size)
{
    for (char *at = to; size > 0;) {
        uint64_t word = random_word();
        size_t step = size < sizeof(word) ? size : sizeof(word);
        memcpy(at, &word, step);
        at += step;
        size -= step;
    }
}
