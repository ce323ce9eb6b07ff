/* monitor.c: the kernel's own small command line: run programs, look at memory. */
#include "monitor.h"
#include "command_line.h"
#include "frames.h"
#include "kernel_space.h"
#include "paging.h"
#include "print.h"
#include "programs.h"
#include "serial.h"
#include "string.h"
#include "uart.h"
#include "x86.h"

#define TYPED_LIMIT 128
#define BACKSPACE '\b'
#define DELETE 0x7f
#define END_OF_INPUT 4 /* what Ctrl-D sends */

static char read_character(void)
{
    while ((inb(COM1 + UART_LINE_STATUS) & LSR_DATA_READY) == 0)
        hlt(); /* the timer wakes us up */
    return (char)inb(COM1 + UART_DATA);
}

/*
 * Read a line, with what is typed shown, and backspace; false at the end of the input. Nothing of a
 * line that is too long counts: half a command is another command.
 */
static bool read_line(char line[TYPED_LIMIT])
{
    size_t length = 0;
    for (;;) {
        char c = read_character();
        if (c == END_OF_INPUT) {
            kprintf("\n");
            return false;
        }
        if (c == '\r' || c == '\n')
            break;
        if ((c == BACKSPACE || c == DELETE) && length > 0) {
            length--;
            kprintf("\b \b");
        } else if (c >= ' ' && c < DELETE) {
            if (length < TYPED_LIMIT - 1)
                line[length] = c;
            length++;
            serial_putc(c);
        }
    }
    line[length < TYPED_LIMIT ? length : 0] = '\0';
    kprintf(length < TYPED_LIMIT ? "\n" : "\nthis line is too long\n");
    return true;
}

/* Is the first word of the line this one? Then *rest is what follows its blanks. */
static bool is_command(const char *line, const char *word, const char **rest)
{
    size_t length = strlen(word);
    if (strncmp(line, word, length) != 0 || (line[length] != '\0' && line[length] != ' '))
        return false;
    for (*rest = line + length; **rest == ' '; (*rest)++)
        ;
    return true;
}

static uint64_t read_hex(const char *text)
{
    uint64_t value = 0;
    if (text[0] == '0' && text[1] == 'x')
        text += 2;
    for (; *text != '\0'; text++) {
        char c = *text | 0x20;
        if (c >= '0' && c <= '9')
            value = value << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value << 4 | (uint64_t)(c - 'a' + 10);
        else
            break;
    }
    return value;
}

static void list_programs(void)
{
    struct program program;
    for (size_t i = 0; programs_get(i, &program); i++)
        kprintf("  %-24s %6lu bytes\n", program.line, program.size);
}

/* Run the program that the line's first word names, with the line as its own. */
static void run(const char *line)
{
    struct program program;
    struct command_line words;
    command_line_split(&words, line);
    if (programs_find(words.argv[0], &program)) {
        program.line = line;
        programs_run_one(&program);
    } else {
        kprintf("there is no program %s; `programs` lists them\n", line);
    }
}

/* How an address of the kernel's own space is mapped. */
static void show_mapping(vaddr_t address)
{
    paddr_t physical;
    error_t error = translate(kernel_root, address, &physical);
    if (error != OK) {
        kprintf("%016lx: %s\n", address, error_words(error));
        return;
    }
    unsigned level;
    pte_t entry = *walk(kernel_root, address, &level);
    kprintf("%016lx is at %lx, entry %016lx of level %u\n", address, physical.raw, entry, level);
}

static void show_registers(void)
{
    kprintf("cr0 %016lx  cr3 %016lx  cr4 %016lx  efer %lx\n", read_cr0(), read_cr3(), read_cr4(),
            rdmsr(MSR_EFER));
    kprintf("star %016lx  lstar %016lx  sfmask %lx\n", rdmsr(MSR_STAR), rdmsr(MSR_LSTAR),
            rdmsr(MSR_SFMASK));
    kprintf("fs %016lx  gs %016lx  other gs %016lx\n", rdmsr(MSR_FS_BASE), rdmsr(MSR_GS_BASE),
            rdmsr(MSR_KERNEL_GS_BASE));
}

void monitor(void)
{
    static char line[TYPED_LIMIT];
    const char *rest;
    kprintf("Rung's monitor. `help` lists its commands.\n");
    for (;;) {
        kprintf("> ");
        if (!read_line(line))
            return;
        if (is_command(line, "help", &rest))
            kprintf("  programs          what there is to run\n"
                    "  run NAME [WORDS]  run a program\n"
                    "  frames            free physical memory\n"
                    "  map ADDRESS       how the kernel maps an address (in hexadecimal)\n"
                    "  regs              registers that make the kernel what it is\n"
                    "  exit              switch the machine off\n");
        else if (is_command(line, "programs", &rest))
            list_programs();
        else if (is_command(line, "run", &rest))
            run(rest);
        else if (is_command(line, "frames", &rest))
            kprintf("%lu of %lu frames free\n", frames_free(), frames_total());
        else if (is_command(line, "map", &rest))
            show_mapping(read_hex(rest));
        else if (is_command(line, "regs", &rest))
            show_registers();
        else if (is_command(line, "exit", &rest))
            return;
        else if (line[0] != '\0')
            kprintf("no such command; `help` lists them\n");
    }
}
