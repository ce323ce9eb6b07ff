/* boot_return.c: what boot_return.asm has to say. It must work when nothing else does. */
#include "boot_return.h"
#include "last_words.h"
#include "panic.h"
#include "print.h"

void boot_return_entry(void);
void boot_return_smashed(uint64_t expected, uint64_t got) __attribute__((noreturn));

bool has_boot_return_context(void)
{
    return boot_return_rsp != 0;
}

/* No driver and no lock: whoever comes here may have been interrupted in either. */
void boot_return_entry(void)
{
    last_words("[BOOT_RETURN ENTRY]\n");
}

void boot_return_smashed(uint64_t expected, uint64_t got)
{
    char text[120];
    last_words("[BOOT_RETURN] FATAL: Stack canary mismatch!\n");
    ksnprintf(text, sizeof(text),
              "[BOOT_RETURN] Expected: 0x%016lx\n[BOOT_RETURN] Got:      0x%016lx\n", expected,
              got);
    last_words(text);
    panic("there is no way back from ring 3: the record of it was overwritten, or never made");
}
