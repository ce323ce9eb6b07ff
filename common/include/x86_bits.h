/*
 * x86_bits.h: bits and numbers of the processor, by the names of the manual.
 *
 * Only `#define NAME number` here, for the same reason as in layout.h.
 */
#ifndef X86_BITS_H
#define X86_BITS_H

/* Control registers (Intel SDM vol. 3A 2.5). */
#define CR0_PE 0x00000001
#define CR0_MP 0x00000002
#define CR0_EM 0x00000004
#define CR0_TS 0x00000008
#define CR0_NE 0x00000020
#define CR0_WP 0x00010000
#define CR0_AM 0x00040000
#define CR0_PG 0x80000000
#define CR3_NO_FLUSH 0x8000000000000000 /* in what is loaded; CR3 itself does not have it */
#define CR4_TSD 0x00000004
#define CR4_DE 0x00000008
#define CR4_PSE 0x00000010
#define CR4_PAE 0x00000020
#define CR4_MCE 0x00000040
#define CR4_PGE 0x00000080
#define CR4_OSFXSR 0x00000200
#define CR4_OSXMMEXCPT 0x00000400
#define CR4_UMIP 0x00000800
#define CR4_FSGSBASE 0x00010000
#define CR4_PCIDE 0x00020000
#define CR4_SMEP 0x00100000
#define CR4_SMAP 0x00200000

/* DR6 after a reset: nothing has happened (SDM vol. 3A table 9-1). */
#define DR6_NOTHING 0xffff0ff0

/* Model-specific registers (SDM vol. 4, table 2-2) and the bits of EFER (vol. 3A 2.2.1). */
#define MSR_ARCH_CAPABILITIES 0x10a
#define ARCH_CAPABILITIES_RDCL_NO 0x001
#define MSR_EFER 0xc0000080
#define MSR_STAR 0xc0000081
#define MSR_LSTAR 0xc0000082
#define MSR_SFMASK 0xc0000084
#define MSR_FS_BASE 0xc0000100
#define MSR_GS_BASE 0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102
#define EFER_SCE 0x001
#define EFER_LME 0x100
#define EFER_LMA 0x400
#define EFER_NXE 0x800

/* CPUID leaves and bits that a kernel asks for before it relies on them (SDM vol. 2A, CPUID). */
#define CPUID_VERSION 1
#define CPUID_VERSION_ECX_PCID 0x00020000
#define CPUID_VERSION_ECX_RDRAND 0x40000000
#define CPUID_VERSION_EDX_MCE 0x00000080
#define CPUID_FEATURES 7
#define CPUID_FEATURES_EBX_SMEP 0x00000080
#define CPUID_FEATURES_EBX_INVPCID 0x00000400
#define CPUID_FEATURES_EBX_SMAP 0x00100000
#define CPUID_FEATURES_ECX_UMIP 0x00000004
#define CPUID_FEATURES_EDX_ARCH_CAPABILITIES 0x20000000
#define CPUID_EXTENDED_MAX 0x80000000
#define CPUID_EXTENDED_FEATURES 0x80000001
#define CPUID_EXTENDED_EDX_NX 0x00100000
#define CPUID_EXTENDED_EDX_PAGE1GB 0x04000000
#define CPUID_EXTENDED_EDX_LM 0x20000000

/* What INVPCID can be asked for (SDM vol. 2A, INVPCID). */
#define INVPCID_ADDRESS 0
#define INVPCID_CONTEXT 1

/* RFLAGS (SDM vol. 1 3.4.3). Bit 1 always reads as one. */
#define RFLAGS_CF 0x000001
#define RFLAGS_FIXED 0x000002
#define RFLAGS_TF 0x000100
#define RFLAGS_IF 0x000200
#define RFLAGS_DF 0x000400
#define RFLAGS_IOPL 0x003000
#define RFLAGS_NT 0x004000
#define RFLAGS_RF 0x010000
#define RFLAGS_AC 0x040000
#define RFLAGS_ID 0x200000

/*
 * What SYSCALL must clear: CF PF AF ZF SF, TF (or the kernel is stepped), IF, DF, OF, IOPL, NT (or IRET
 * faults), RF, AC (or SMAP is off) and ID. Linux clears the same.
 */
#define SFMASK_ALL 0x257fd5

/* Page-table entries (SDM vol. 3A 4.5, tables 4-15 to 4-20). */
#define PTE_PRESENT 0x001
#define PTE_WRITABLE 0x002
#define PTE_USER 0x004
#define PTE_WRITE_THROUGH 0x008
#define PTE_CACHE_DISABLE 0x010
#define PTE_ACCESSED 0x020
#define PTE_DIRTY 0x040
#define PTE_LARGE 0x080
#define PTE_GLOBAL 0x100
#define PTE_COW 0x200  /* ours: the processor ignores bits 9 to 11 */
#define PTE_PAIR 0x400 /* ours, in the last entry of a level-4 table: a shadow lies behind it */
#define PTE_NO_EXECUTE 0x8000000000000000
#define PTE_FRAME_MASK 0x000ffffffffff000

/* Page-fault error code (SDM vol. 3A 4.7). */
#define PF_PRESENT 0x01
#define PF_WRITE 0x02
#define PF_USER 0x04
#define PF_RESERVED 0x08
#define PF_FETCH 0x10

/* Exception vectors (SDM vol. 3A table 6-1). */
#define VECTOR_DE 0
#define VECTOR_DB 1
#define VECTOR_NMI 2
#define VECTOR_BP 3
#define VECTOR_OF 4
#define VECTOR_BR 5
#define VECTOR_UD 6
#define VECTOR_NM 7
#define VECTOR_DF 8
#define VECTOR_TS 10
#define VECTOR_NP 11
#define VECTOR_SS 12
#define VECTOR_GP 13
#define VECTOR_PF 14
#define VECTOR_MF 16
#define VECTOR_AC 17
#define VECTOR_MC 18
#define VECTOR_XM 19
#define VECTOR_VE 20
#define VECTOR_CP 21
#define VECTOR_HV 28
#define VECTOR_VC 29
#define VECTOR_SX 30
#define VECTORS 256

#endif
