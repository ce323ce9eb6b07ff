/* exec.c: execve, a new program in an old process. */
#include "exec.h"
#include "errno.h"
#include "frames.h"
#include "image_gap.h"
#include "not_written.h"
#include "panic.h"
#include "percpu.h"
#include "process.h"
#include "programs.h"
#include "scheduler.h"
#include "string.h"
#include "syscall.h"
#include "tlb.h"
#include "user_memory.h"
#include "usermode.h"
#include "window.h"
#include "x86.h"

#define LIST_LIMIT 64 /* words in argv and in envp */
#define TEXT_LIMIT (PAGE_SIZE - 2 * (LIST_LIMIT + 1) * sizeof(char *) - sizeof(size_t))

/* What the program asked for, copied into the kernel before its memory goes: it fits into a frame. */
struct request {
    const char *argv[LIST_LIMIT + 1];
    const char *envp[LIST_LIMIT + 1];
    size_t used;
    char text[TEXT_LIMIT];
};

_Static_assert(sizeof(struct request) <= PAGE_SIZE, "it must fit into its frame");

/* Copy a text of the program to the end of what is there; its address in the kernel, or an error. */
static int64_t copy_text(struct request *request, vaddr_t from, const char **copy)
{
    char *to = request->text + request->used;
    size_t room = TEXT_LIMIT - request->used;
    size_t copied = copy_from_user(to, from, room);
    size_t length = strnlen(to, copied);
    if (length == copied)
        return copied < room ? -EFAULT : -E2BIG;
    request->used += length + 1;
    *copy = to;
    return 0;
}

/* Copy a list of texts that ends with NULL. Linux takes no list at all for an empty one. */
static int64_t copy_list(struct request *request, vaddr_t from, const char *list[LIST_LIMIT + 1])
{
    size_t n = 0;
    for (; from != 0; n++) {
        vaddr_t text;
        if (copy_from_user(&text, from + n * sizeof(text), sizeof(text)) != sizeof(text))
            return -EFAULT;
        if (text == 0)
            break;
        if (n == LIST_LIMIT)
            return -E2BIG;
        int64_t error = copy_text(request, text, &list[n]);
        if (error != 0)
            return error;
    }
    list[n] = NULL;
    return 0;
}

static int64_t errno_for(error_t error)
{
    switch (error) {
    case ERROR_NO_FRAMES:
        return -ENOMEM;
    case ERROR_ARGUMENTS:
        return -E2BIG;
    default: /* all others are about the file */
        return -ENOEXEC;
    }
}

/* Ring 3 begins anew: the registers of the old program go with it. */
static void enter_image(void) __attribute__((noreturn));
static void enter_image(void)
{
    yield_if_due();
    percpu.frame = NULL;
    user_fs_base = 0;
    const struct image *image = &current_process->image;
    enter_usermode(image->entry, image->stack_pointer, USER_CS, USER_SS);
}

/*
 * Exercise 5.7 (15 points). The running process becomes `program`, with what was asked for. First
 * make the new image, as a whole: if that fails, nothing has changed, and errno_for has the error.
 * Then switch to its address space (tlb.h), and only then destroy the old one. `request` lies in a
 * frame that is freed when the new image has what it needs of it. Does not return if it works:
 * enter_image.
 */
static int64_t replace_image(const struct program *program, struct request *request, paddr_t frame)
{
    /* { solution 5.7 */
    struct image image;
    const struct arguments arguments = {request->argv, request->envp};
    error_t error = image_create(&image, program->line, program->file, program->size, &arguments);
    if (error != OK)
        return errno_for(error);
    struct image old = current_process->image;
    cli();
    current_process->image = image;
    switch_address_space(image.root);
    image_destroy(&old);
    must(frame_free(frame));
    enter_image();
    /* } solution */
}

/* The last part of a path. */
static const char *last_part(const char *path)
{
    const char *part = path;
    for (; *path != '\0'; path++)
        if (*path == '/')
            part = path + 1;
    return part;
}

static int64_t exec(struct request *request, paddr_t frame, vaddr_t path, vaddr_t argv,
                    vaddr_t envp)
{
    const char *name;
    int64_t error = copy_text(request, path, &name);
    if (error == -E2BIG)
        return -ENAMETOOLONG;
    if (error == 0)
        error = copy_list(request, argv, request->argv);
    if (error == 0 && request->argv[0] == NULL) { /* as on Linux: programs count on argv[0] */
        request->argv[0] = "";
        request->argv[1] = NULL;
    }
    if (error == 0)
        error = copy_list(request, envp, request->envp);
    if (error != 0)
        return error;
    struct program program;
    if (!programs_find(last_part(name), &program))
        return -ENOENT;
    program.line = last_part(name);
    return replace_image(&program, request, frame);
}

static int64_t sys_execve(vaddr_t path, vaddr_t argv, vaddr_t envp)
{
    paddr_t frame;
    if (frame_alloc(&frame) != OK)
        return -ENOMEM;
    struct request *request = phys_to_virt(frame);
    request->used = 0;
    int64_t error = exec(request, frame, path, argv, envp);
    must(frame_free(frame));
    give_way(); /* or who asks again and again for what cannot be is hardly ever in ring 3 */
    return error;
}

void exec_call_init(void)
{
    syscall_register(SYS_execve, SYSCALL(sys_execve));
}
