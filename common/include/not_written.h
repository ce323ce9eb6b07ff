/* not_written.h: what stands in a student's tree where an exercise has not been solved yet. */
#ifndef NOT_WRITTEN_H
#define NOT_WRITTEN_H

void exercise_not_written(const char *exercise, const char *file, int line)
    __attribute__((noreturn));

#define NOT_WRITTEN(exercise) exercise_not_written(exercise, __FILE__, __LINE__)

#endif
