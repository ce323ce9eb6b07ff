/*
 * error.h: every way in which a kernel function can fail, with the words for it.
 *
 * A function that can fail returns an error_t and hands its result back through a pointer. The
 * compiler warns whoever ignores it. What cannot fail but by a mistake of the caller's, such as to
 * give back what the caller has, is called as must(...): see panic.h.
 */
#ifndef ERROR_H
#define ERROR_H

#define ERRORS(X)                                                                                  \
    X(OK, "no error")                                                                              \
    /* what the boot loader handed over (lab 1) */                                                 \
    X(ERROR_BOOT_INFO_MISSING, "boot information: none was handed over")                           \
    X(ERROR_BOOT_INFO_ALIGNMENT, "boot information: not 8-byte aligned")                           \
    X(ERROR_BOOT_INFO_SIZE, "boot information: its size cannot be right")                          \
    X(ERROR_BOOT_INFO_TAG, "boot information: a tag does not fit into it")                         \
    X(ERROR_BOOT_INFO_STRING, "boot information: a text has no end")                               \
    X(ERROR_BOOT_INFO_NO_END, "boot information: the end tag is missing")                          \
    X(ERROR_BOOT_INFO_NO_MEMORY_MAP, "boot information: no memory map")                            \
    /* physical memory (lab 2) */                                                                  \
    X(ERROR_NO_FRAMES, "resource exhausted: physical frames")                                      \
    X(ERROR_NO_SAFE_FRAMES, "resource exhausted: non-page-table frames")                           \
    X(ERROR_NO_BOOT_INFO, "not initialized: BOOT_INFO")                                            \
    X(ERROR_NO_WINDOW, "not initialized: physical memory offset")                                  \
    X(ERROR_DOUBLE_FREE, "frame is free already")                                                  \
    X(ERROR_FOREIGN_FRAME, "frame does not belong to the allocator")                               \
    X(ERROR_COUNT, "count must be at least 1")                                                     \
    /* page tables (lab 2) */                                                                      \
    X(ERROR_UNALIGNED, "address is not page aligned")                                              \
    X(ERROR_NOT_CANONICAL, "virtual address is not canonical")                                     \
    X(ERROR_NOT_USER, "virtual address is not in the user half")                                   \
    X(ERROR_PAGE_ZERO, "page 0 is never mapped")                                                   \
    X(ERROR_PHYSICAL_RANGE, "physical address is out of range")                                    \
    X(ERROR_FLAGS, "flags that a mapping cannot have")                                             \
    X(ERROR_ALREADY_MAPPED, "virtual address is mapped already")                                   \
    X(ERROR_NOT_MAPPED, "virtual address is not mapped")                                           \
    X(ERROR_LARGE_PAGE, "a large page is in the way")                                              \
    /* programs (lab 3) */                                                                         \
    X(ERROR_ELF_TRUNCATED, "ELF: the file is shorter than it says")                                \
    X(ERROR_ELF_MAGIC, "ELF: not an ELF file")                                                     \
    X(ERROR_ELF_CLASS, "ELF: not a 64-bit little-endian file")                                     \
    X(ERROR_ELF_TYPE, "ELF: not a static executable")                                              \
    X(ERROR_ELF_MACHINE, "ELF: not for x86-64")                                                    \
    X(ERROR_ELF_HEADER, "ELF: its headers have the wrong size")                                    \
    X(ERROR_ELF_INTERPRETER, "ELF: it needs a dynamic linker")                                     \
    X(ERROR_ELF_NO_SEGMENT, "ELF: nothing to load")                                                \
    X(ERROR_ELF_SIZE, "ELF: a segment is larger in the file than in memory")                       \
    X(ERROR_ELF_ALIGNMENT, "ELF: a segment's address does not suit its place in the file")         \
    X(ERROR_ELF_RANGE, "ELF: a segment lies outside the memory of programs")                       \
    X(ERROR_ELF_ORDER, "ELF: segments overlap, share a page or are not in ascending order")        \
    X(ERROR_ELF_WRITE_EXECUTE, "ELF: a segment or the stack is writable and executable")           \
    X(ERROR_ELF_ENTRY, "ELF: it starts outside its executable segments")                           \
    X(ERROR_NO_STACK_SLOT, "resource exhausted: kernel stacks")                                    \
    X(ERROR_NO_PAGE_TABLE, "process has no page table")                                            \
    X(ERROR_ARGUMENTS, "too many arguments")                                                       \
    /* processes (lab 5) */                                                                        \
    X(ERROR_NO_PROCESS, "resource exhausted: processes")

/* Of a type, older compilers know it by two names or not at all. */
#if defined(__clang__)
#define NOT_TO_BE_IGNORED __attribute__((warn_unused_result))
#elif __GNUC__ > 10
#define NOT_TO_BE_IGNORED [[nodiscard]]
#else
#define NOT_TO_BE_IGNORED
#endif

typedef enum NOT_TO_BE_IGNORED {
#define ERROR_NAME(name, words) name,
    ERRORS(ERROR_NAME)
#undef ERROR_NAME
} error_t;

/* The words for an error; never NULL. */
const char *error_words(error_t error);

#endif
