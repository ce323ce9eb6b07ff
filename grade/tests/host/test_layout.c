/*
 * test_layout.c: the structures and bits that processor, loader and file format fix lie where those
 * say: asked of the host's own headers where it has them, else of numbers from the manuals.
 */
#include "host.h"

#include <asm/processor-flags.h>
#include <elf.h>

#include "elf.h"
#include "error.c"
#include "multiboot2.h"
#include "pte.h"
#include "x86.h"

/* The compiler knows each field's place and size: ours against theirs, or against numbers. */
#define SIZE(type, field) sizeof(((type *)0)->field)
#define SAME_FIELD(ours, field, theirs, their_field)                                               \
    do {                                                                                           \
        attempt("%s.%s", #ours, #field);                                                           \
        expect_equal(offsetof(ours, field), offsetof(theirs, their_field));                        \
        expect_equal(SIZE(ours, field), SIZE(theirs, their_field));                                \
    } while (0)
#define FIELD(type, field, offset, size)                                                           \
    do {                                                                                           \
        attempt("%s.%s", #type, #field);                                                           \
        expect_equal(offsetof(type, field), offset);                                               \
        expect_equal(SIZE(type, field), size);                                                     \
    } while (0)

static void elf_header(void)
{
    expect_equal(sizeof(struct elf_header), sizeof(Elf64_Ehdr));
    FIELD(struct elf_header, magic, 0, SELFMAG);
    FIELD(struct elf_header, class, EI_CLASS, 1);
    FIELD(struct elf_header, data, EI_DATA, 1);
    FIELD(struct elf_header, ident_version, EI_VERSION, 1);
    FIELD(struct elf_header, os_abi, EI_OSABI, 1);
    SAME_FIELD(struct elf_header, type, Elf64_Ehdr, e_type);
    SAME_FIELD(struct elf_header, machine, Elf64_Ehdr, e_machine);
    SAME_FIELD(struct elf_header, version, Elf64_Ehdr, e_version);
    SAME_FIELD(struct elf_header, entry, Elf64_Ehdr, e_entry);
    SAME_FIELD(struct elf_header, program_headers, Elf64_Ehdr, e_phoff);
    SAME_FIELD(struct elf_header, section_headers, Elf64_Ehdr, e_shoff);
    SAME_FIELD(struct elf_header, flags, Elf64_Ehdr, e_flags);
    SAME_FIELD(struct elf_header, header_size, Elf64_Ehdr, e_ehsize);
    SAME_FIELD(struct elf_header, program_header_size, Elf64_Ehdr, e_phentsize);
    SAME_FIELD(struct elf_header, program_header_count, Elf64_Ehdr, e_phnum);
    SAME_FIELD(struct elf_header, section_header_size, Elf64_Ehdr, e_shentsize);
    SAME_FIELD(struct elf_header, section_header_count, Elf64_Ehdr, e_shnum);
    SAME_FIELD(struct elf_header, section_names, Elf64_Ehdr, e_shstrndx);
}

static void elf_program_header(void)
{
    expect_equal(sizeof(struct elf_program_header), sizeof(Elf64_Phdr));
    SAME_FIELD(struct elf_program_header, type, Elf64_Phdr, p_type);
    SAME_FIELD(struct elf_program_header, flags, Elf64_Phdr, p_flags);
    SAME_FIELD(struct elf_program_header, offset, Elf64_Phdr, p_offset);
    SAME_FIELD(struct elf_program_header, virtual_address, Elf64_Phdr, p_vaddr);
    SAME_FIELD(struct elf_program_header, physical_address, Elf64_Phdr, p_paddr);
    SAME_FIELD(struct elf_program_header, file_size, Elf64_Phdr, p_filesz);
    SAME_FIELD(struct elf_program_header, memory_size, Elf64_Phdr, p_memsz);
    SAME_FIELD(struct elf_program_header, alignment, Elf64_Phdr, p_align);
}

static void elf_numbers(void)
{
    uint32_t magic = ELF_MAGIC;
    expect(memcmp(&magic, ELFMAG, SELFMAG) == 0);
    expect_equal(ELF_CLASS_64, ELFCLASS64);
    expect_equal(ELF_DATA_LITTLE, ELFDATA2LSB);
    expect_equal(ELF_VERSION, EV_CURRENT);
    expect_equal(ELF_TYPE_EXECUTABLE, ET_EXEC);
    expect_equal(ELF_MACHINE_X86_64, EM_X86_64);
    expect_equal(ELF_SEGMENT_LOAD, PT_LOAD);
    expect_equal(ELF_SEGMENT_DYNAMIC, PT_DYNAMIC);
    expect_equal(ELF_SEGMENT_INTERPRETER, PT_INTERP);
    expect_equal(ELF_EXECUTE, PF_X);
    expect_equal(ELF_WRITE, PF_W);
    expect_equal(ELF_READ, PF_R);
}

/* Multiboot2 specification 2.0, 3.6.2 to 3.6.8. */
static void multiboot2(void)
{
    expect_equal(sizeof(struct multiboot2_info), 8);
    expect_equal(sizeof(struct multiboot2_tag), 8);
    expect_equal(sizeof(struct multiboot2_memory), 24);
    FIELD(struct multiboot2_info, total_size, 0, 4);
    FIELD(struct multiboot2_tag, type, 0, 4);
    FIELD(struct multiboot2_tag, size, 4, 4);
    FIELD(struct multiboot2_memory, base, 0, 8);
    FIELD(struct multiboot2_memory, length, 8, 8);
    FIELD(struct multiboot2_memory, type, 16, 4);
    FIELD(struct multiboot2_tag_module, start, 8, 4);
    FIELD(struct multiboot2_tag_module, end, 12, 4);
    FIELD(struct multiboot2_tag_memory_map, entry_size, 8, 4);
    FIELD(struct multiboot2_tag_memory_map, entry_version, 12, 4);
    expect_equal(offsetof(struct multiboot2_tag_string, text), 8);
    expect_equal(offsetof(struct multiboot2_tag_module, text), 16);
    expect_equal(offsetof(struct multiboot2_tag_memory_map, entries), 16);
}

/* The operand of LGDT and LIDT (Intel SDM vol. 2A, LGDT): 2 bytes, and 8 behind them. */
static void descriptor_pointer(void)
{
    expect_equal(sizeof(struct descriptor_pointer), 10);
    FIELD(struct descriptor_pointer, limit, 0, 2);
    FIELD(struct descriptor_pointer, base, 2, 8);
}

static void control_registers(void)
{
    expect_equal(CR0_PE, X86_CR0_PE);
    expect_equal(CR0_MP, X86_CR0_MP);
    expect_equal(CR0_EM, X86_CR0_EM);
    expect_equal(CR0_TS, X86_CR0_TS);
    expect_equal(CR0_NE, X86_CR0_NE);
    expect_equal(CR0_WP, X86_CR0_WP);
    expect_equal(CR0_AM, X86_CR0_AM);
    expect_equal(CR0_PG, X86_CR0_PG);
    expect_equal(CR4_TSD, X86_CR4_TSD);
    expect_equal(CR4_DE, X86_CR4_DE);
    expect_equal(CR4_PSE, X86_CR4_PSE);
    expect_equal(CR4_PAE, X86_CR4_PAE);
    expect_equal(CR4_MCE, X86_CR4_MCE);
    expect_equal(CR4_PGE, X86_CR4_PGE);
    expect_equal(CR4_OSFXSR, X86_CR4_OSFXSR);
    expect_equal(CR4_OSXMMEXCPT, X86_CR4_OSXMMEXCPT);
    expect_equal(CR4_UMIP, X86_CR4_UMIP);
    expect_equal(CR4_FSGSBASE, X86_CR4_FSGSBASE);
    expect_equal(CR4_PCIDE, X86_CR4_PCIDE);
    expect_equal(CR4_SMEP, X86_CR4_SMEP);
    expect_equal(CR4_SMAP, X86_CR4_SMAP);
}

static void rflags(void)
{
    expect_equal(RFLAGS_CF, X86_EFLAGS_CF);
    expect_equal(RFLAGS_FIXED, X86_EFLAGS_FIXED);
    expect_equal(RFLAGS_TF, X86_EFLAGS_TF);
    expect_equal(RFLAGS_IF, X86_EFLAGS_IF);
    expect_equal(RFLAGS_DF, X86_EFLAGS_DF);
    expect_equal(RFLAGS_IOPL, X86_EFLAGS_IOPL);
    expect_equal(RFLAGS_NT, X86_EFLAGS_NT);
    expect_equal(RFLAGS_RF, X86_EFLAGS_RF);
    expect_equal(RFLAGS_AC, X86_EFLAGS_AC);
    expect_equal(RFLAGS_ID, X86_EFLAGS_ID);
}

#define BIT(n) (1ULL << (n))

/* Intel SDM vol. 3A, tables 4-15 to 4-20, figure 4-12, and 2.2.1 for EFER; vol. 2A for CPUID. */
static void other_bits(void)
{
    expect_equal(PTE_PRESENT, BIT(0));
    expect_equal(PTE_WRITABLE, BIT(1));
    expect_equal(PTE_USER, BIT(2));
    expect_equal(PTE_WRITE_THROUGH, BIT(3));
    expect_equal(PTE_CACHE_DISABLE, BIT(4));
    expect_equal(PTE_ACCESSED, BIT(5));
    expect_equal(PTE_DIRTY, BIT(6));
    expect_equal(PTE_LARGE, BIT(7));
    expect_equal(PTE_GLOBAL, BIT(8));
    expect_equal(PTE_NO_EXECUTE, BIT(63));
    expect_equal(PTE_FRAME_MASK, BIT(52) - BIT(12));
    expect_equal(PF_PRESENT, BIT(0));
    expect_equal(PF_WRITE, BIT(1));
    expect_equal(PF_USER, BIT(2));
    expect_equal(PF_RESERVED, BIT(3));
    expect_equal(PF_FETCH, BIT(4));
    expect_equal(EFER_SCE, BIT(0));
    expect_equal(EFER_LME, BIT(8));
    expect_equal(EFER_LMA, BIT(10));
    expect_equal(EFER_NXE, BIT(11));
    expect_equal(CPUID_EXTENDED_EDX_NX, BIT(20));
    expect_equal(CPUID_EXTENDED_EDX_PAGE1GB, BIT(26));
    expect_equal(CPUID_EXTENDED_EDX_LM, BIT(29));
}

static void indices_and_spans(void)
{
    expect_equal(pte_span(1), BIT(12));
    expect_equal(pte_span(2), BIT(21));
    expect_equal(pte_span(3), BIT(30));
    expect_equal(pte_span(4), BIT(39));
    expect_equal(pte_span(2), LARGE_PAGE_SIZE);
    expect_equal(pte_span(3), HUGE_PAGE_SIZE);
    for (int i = 0; i < 2000; i++) {
        uint64_t address = rng();
        attempt("address %#" PRIx64, address);
        expect_equal(pte_index(address, 4), address / BIT(39) % 512);
        expect_equal(pte_index(address, 3), address / BIT(30) % 512);
        expect_equal(pte_index(address, 2), address / BIT(21) % 512);
        expect_equal(pte_index(address, 1), address / BIT(12) % 512);
    }
}

static void entries(void)
{
    for (unsigned bit = 0; bit < 64; bit++) {
        attempt("entry with bit %u", bit);
        expect_equal(pte_present(BIT(bit)), bit == 0);
        expect_equal(pte_frame(BIT(bit)).raw, bit >= 12 && bit < 52 ? BIT(bit) : 0);
        expect(pte_is_page(BIT(bit), 1));
        for (unsigned level = 2; level <= 4; level++)
            expect_equal(pte_is_page(BIT(bit), level), bit == 7);
    }
}

static void rounding(void)
{
    for (int i = 0; i < 2000; i++) {
        uint64_t unit = BIT(below(40)), value = any_number() >> 1;
        attempt("%#" PRIx64 " in units of %#" PRIx64, value, unit);
        expect_equal(round_down(value, unit), value / unit * unit);
        expect_equal(round_up(value, unit), (value + unit - 1) / unit * unit);
        expect_equal(is_aligned(value, unit), value % unit == 0);
    }
}

static void every_error_has_words_of_its_own(void)
{
    expect_text(error_words(OK), "no error");
#define ONE_MORE(name, words) +1
    const error_t count = (error_t)(0 ERRORS(ONE_MORE));
    for (error_t a = OK; a < count; a++)
        for (error_t b = OK; b < a; b++)
            expect(strcmp(error_words(a), error_words(b)) != 0);
    expect_text(error_words(count), "unknown error");
    expect_text(error_words((error_t)1000), "unknown error");
    expect_text(error_words((error_t)-1), "unknown error");
}

MAIN(TEST(elf_header), TEST(elf_program_header), TEST(elf_numbers), TEST(multiboot2),
     TEST(descriptor_pointer), TEST(control_registers), TEST(rflags), TEST(other_bits),
     TEST(indices_and_spans), TEST(entries), TEST(rounding), TEST(every_error_has_words_of_its_own))
