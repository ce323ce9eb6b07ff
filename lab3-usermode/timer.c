/*
 * timer.c: the 8259A interrupt controllers and the 8254 timer of the PC.
 *
 * The newer local APIC does the same and more. These two are simpler, and every emulator and nearly
 * every machine still has them.
 */
#include "timer.h"
#include "trap.h"
#include "x86.h"

#define PIC1_COMMAND 0x20
#define PIC1_DATA 0x21
#define PIC2_COMMAND 0xa0
#define PIC2_DATA 0xa1
#define PIC_INIT 0x11 /* ICW1: begin, ICW4 follows */
#define PIC_8086 0x01 /* ICW4 */
#define PIC_CASCADE 2 /* the line at which the second one hangs */
#define PIC_END_OF_INTERRUPT 0x20
#define IRQ_SPURIOUS 7
#define MASK_ALL_BUT_TIMER 0xfe

#define PIT_CHANNEL0 0x40
#define PIT_COMMAND 0x43
#define PIT_RATE_GENERATOR 0x34 /* channel 0, low byte then high byte, mode 2 */
#define PIT_FREQUENCY 1193182

static volatile uint64_t ticks;

static void on_timer(struct trap_frame *frame)
{
    (void)frame;
    ticks++;
    outb(PIC1_COMMAND, PIC_END_OF_INTERRUPT);
}

/* An interrupt that was withdrawn while it was being delivered; nobody waits for its end. */
static void on_spurious(struct trap_frame *frame)
{
    (void)frame;
}

/* The vectors 8 to 15 that the BIOS gave the first controller are exceptions: move them. */
static void init_controllers(void)
{
    outb(PIC1_COMMAND, PIC_INIT);
    outb(PIC2_COMMAND, PIC_INIT);
    outb(PIC1_DATA, VECTOR_IRQ_BASE);
    outb(PIC2_DATA, VECTOR_IRQ_BASE + 8);
    outb(PIC1_DATA, 1 << PIC_CASCADE);
    outb(PIC2_DATA, PIC_CASCADE);
    outb(PIC1_DATA, PIC_8086);
    outb(PIC2_DATA, PIC_8086);
    outb(PIC1_DATA, MASK_ALL_BUT_TIMER);
    outb(PIC2_DATA, 0xff);
}

void timer_init(void)
{
    init_controllers();
    trap_register(VECTOR_TIMER, on_timer);
    trap_register(VECTOR_IRQ_BASE + IRQ_SPURIOUS, on_spurious);
    uint16_t divisor = PIT_FREQUENCY / TIMER_HZ;
    outb(PIT_COMMAND, PIT_RATE_GENERATOR);
    outb(PIT_CHANNEL0, (uint8_t)divisor);
    outb(PIT_CHANNEL0, (uint8_t)(divisor >> 8));
}

uint64_t timer_ticks(void)
{
    return ticks;
}
