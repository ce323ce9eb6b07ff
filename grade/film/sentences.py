"""A sentence for each step: what the instruction did to this machine, in the field's words."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from grade import words
from grade.film.instructions import REGISTER_OF, stack_access
from grade.film.places import NONE
from grade.machine import msr
from grade.machine.forensics import error_words, vector_name
from grade.machine.gdbremote import GENERAL
from grade.machine.intlog import Interrupt
from grade.machine.layout import VECTOR_PF
from grade.machine.state import WITH_ERROR_CODE

if TYPE_CHECKING:
    from grade.film.recorder import Recorder, Step, Write

SEGMENTS = ("ds", "es", "ss", "fs", "gs")
CONTROL = {"cr0": ((0, "PE"), (16, "WP"), (31, "PG")),
           "cr4": ((5, "PAE"), (7, "PGE"), (9, "OSFXSR"), (11, "UMIP"), (17, "PCIDE"),
                   (20, "SMEP"), (21, "SMAP")),
           "efer": ((0, "SCE"), (8, "LME"), (10, "LMA"), (11, "NXE"))}
PORTS = {0x20: "the first interrupt controller", 0x21: "its mask", 0x40: "the timer",
         0x43: "the timer's command register", 0xA0: "the second interrupt controller",
         0xA1: "its mask", 0xF4: "QEMU's exit port", 0x3F8: "the serial port"}


def say(step: Step, film: Recorder) -> str:
    """The step in words. Each part is a sentence's piece; they are joined by semicolons."""
    if step.cut:
        return f"Not filmed: {step.cut}."
    if step.delivered:
        return _delivery(step, film)
    parts = [*_what(step, film), *_state(step, film)]
    return _sentence(parts)


def _sentence(parts: list[str]) -> str:
    """Joined, with a capital letter, unless it begins with a name of the kernel's."""
    text = "; ".join(part for part in parts if part)
    first = text.split(" ")[0]
    named = "." in first or "_" in first
    return (text if named else text[:1].upper() + text[1:]) + "." * bool(text)


def _delivery(step: Step, film: Recorder) -> str:
    """An exception or interrupt."""
    event = step.events[-1]
    first = step.events[0]
    parts = []
    if event.software:
        parts.append(f"the processor goes through gate {event.vector:#x} of the IDT")
    elif event.hardware or event.vector == 2:
        name = "an NMI" if event.vector == 2 else f"interrupt {event.vector:#x} of a device"
        parts.append(f"{name} comes before this instruction")
    else:
        parts.append(f"{step.instruction.mnemonic} does not work: {_exception(first, film)}")
        for each in step.events[1:]:
            parts.append(f"while the processor delivers that: {_exception(each, film)}")
    pushed = 6 if event.vector in WITH_ERROR_CODE and not (event.software or event.hardware) else 5
    stack = step.stack.name if step.stack else "the stack"
    parts.append(f"ring {step.before.cpl} → {step.after.cpl}, {pushed} words on {stack}, "
                 f"interrupts {words.interrupts(step.after.rflags)}, on to "
                 f"{film.places.function(step.after.rip)}")
    return _sentence(parts)


def _exception(event: Interrupt, film: Recorder) -> str:
    why = error_words(event.vector, event.error)
    at = ""
    if event.vector == VECTOR_PF and event.cr2 is not None:
        at = f" at {event.cr2:#x} ({film.places.area(event.cr2).name})"
    return f"{vector_name(event.vector)}{at}" + (f", {why}" if why else "")


def _what(step: Step, film: Recorder) -> list[str]:
    """What the instruction is for."""
    instruction = step.instruction
    special = SPECIAL.get(instruction.mnemonic)
    if special:
        return [special(step, film)]
    if step.over:
        return [_over(step)]
    tables = [_entry_written(write, film) for write in step.writes
              if film.spaces.slot(write.pa)]
    if tables:
        return tables[:2]
    read = _entry_read(step, film)
    if read:
        return [read]
    if instruction.repeated:
        return [_repeated(step)]
    if instruction.mnemonic.startswith("j"):
        return [_jump(step, film)]
    moved = stack_access(instruction, step.before, step.after)
    if moved:
        return [_pushed(step, film) if moved.written else _popped(step, film)]
    if step.writes:
        return [_stored(step, film)]
    return [_computed(step, film)]


def _over(step: Step) -> str:
    return f"calls {step.over}, which runs unfilmed; RAX is {words.number(step.after.rax)}"


def _entry_written(write: Write, film: Recorder) -> str:
    slot = film.spaces.slot(write.pa)
    assert slot
    now = words.entry(write.value)
    if write.before == write.value:
        return f"writes {slot}, for {slot.va:#x}, as it was: {now}"
    change = words.changed_flags(write.before, write.value) if write.before else ""
    return (f"changes {slot}, for {slot.va:#x}: {words.entry(write.before)} → {now}"
            + (f" ({change})" if change else ""))


def _entry_read(step: Step, film: Recorder) -> str:
    for access in step.reads:
        pa = film.translate(access.va, step.before)
        slot = film.spaces.slot(pa & -8) if pa is not None else None
        if slot and pa is not None:
            return (f"reads {slot}, for {slot.va:#x}: "
                    f"{words.entry(film.m.phys.u64(pa & -8))}")
    return ""


def _jump(step: Step, film: Recorder) -> str:
    if step.after.rip == step.instruction.end and step.instruction.mnemonic != "jmp":
        return "does not jump"
    return f"jumps to {film.places.function(step.after.rip)}"


def _pushed(step: Step, film: Recorder) -> str:
    label = step.writes[0].label.what if step.writes else ""
    stack = step.stack.name if step.stack else "the stack"
    if step.instruction.mnemonic == "call":
        return (f"calls {film.places.function(step.after.rip)}; the address of return lies on "
                f"{stack}")
    if label == "no error code":
        return f"pushes 0 on {stack}: there is no error code"
    return f"pushes {_the(label)} on {stack}"


def _the(label: str) -> str:
    if not label:
        return "a word"
    if label in REGISTER_OF:
        return label.upper()
    return f"the {label}" if label.startswith(("program", "kernel", "vector")) else label


def _popped(step: Step, film: Recorder) -> str:
    if step.instruction.mnemonic == "ret":
        return f"returns to {film.places.function(step.after.rip)}"
    if step.instruction.mnemonic == "leave":
        return "RSP = RBP, and the RBP from before is popped"
    target = step.instruction.operands[0].register if step.instruction.operands else ""
    what = step.source.what if step.source else ""
    if not target:
        return f"pops {_the(what)}"
    own = f"program's {target}"
    if what == own:
        return f"{target.upper()} is the program's again"
    if what.startswith("program's"):
        return f"{target.upper()} gets the {what}"
    value = words.number(getattr(step.after, target, 0))
    if what in REGISTER_OF and step.source:
        return f"{target.upper()} = {value}, as {step.source.who} left it"
    return f"{target.upper()} = {value}" + (f", {what}" if what else "")


def _stored(step: Step, film: Recorder) -> str:
    write = step.writes[0]
    place, label = _name_of(write.va, film), write.label.what
    if write.was.startswith("program's") and write.was != label:
        return f"replaces the {write.was} in {place} by {words.number(write.value)}"
    if label.startswith("program's"):
        return f"notes the {label} in {place}"
    return f"{place} = {words.number(write.value)}" + (
        f" ({label.upper()})" if label in REGISTER_OF else "")


def _name_of(va: int, film: Recorder) -> str:
    for each in film.watched:
        if each.va == va:
            return each.name
    stack = film.places.stack(va + 8, 0)
    if (stack.name in film.stacks and stack.name != NONE) or stack.name.startswith("kernel stack"):
        return f"a word of {stack.name}"
    variable = film.places.symbols.object(va)
    if variable:
        offset = va - film.places.symbols[variable]
        return f"{variable}+{offset:#x}" if offset else variable
    return f"{va:#x} ({film.places.area(va).name})"


def _computed(step: Step, film: Recorder) -> str:
    """A register has a new value."""
    target = step.instruction.operands[0].register if step.instruction.operands else ""
    if target in ("cr0", "cr4"):
        return _control(step)
    if target == "cr3":
        return f"CR3 = {words.number(step.after.cr3)}"
    if target in SEGMENTS:
        return f"{target.upper()} = {words.number(getattr(step.after, target))}"
    moved = step.after.rsp - step.before.rsp
    if moved and "rsp" in step.instruction.written and step.stack and abs(moved) < 1 << 16:
        return f"RSP goes {'up' if moved > 0 else 'down'} by {abs(moved)} bytes"
    for name in (*(each for each in GENERAL if each != "rsp"), "rsp"):
        if getattr(step.before, name) == getattr(step.after, name):
            continue
        value = getattr(step.after, name)
        label = film.labels.registers.get(name)
        if label:
            return f"{name.upper()} = {_the(label)}, {words.number(value)}"
        pointer = film.places.pointer(value)
        return f"{name.upper()} = {words.number(value)}" + (f" ({pointer})" if pointer else "")
    if step.instruction.mnemonic in ("cmp", "test"):
        return _compared(step)
    written = sorted(step.instruction.written - {"rsp"})
    return f"{written[0].upper()} is {words.number(getattr(step.after, written[0]))}, as before" \
        if written else "changes nothing that the film shows"


def _compared(step: Step) -> str:
    """What the flags say, for numbers without a sign."""
    zero, carry = step.after.rflags >> 6 & 1, step.after.rflags & 1
    if step.instruction.mnemonic == "test":
        return "tests: none of these bits is set" if zero else "tests: a bit is set"
    return "compares: equal" if zero else f"compares: the first is {'below' if carry else 'above'}"


def _repeated(step: Step) -> str:
    """String instructions."""
    verb = {"movs": "copies", "stos": "fills", "cmps": "compares", "scas": "searches"}.get(
        step.instruction.mnemonic[:4], "repeats")
    width = {"b": 1, "w": 2, "d": 4, "q": 8}.get(step.instruction.mnemonic[-1], 1)
    return f"{verb} {words.size(step.times * width)}"


def _control(step: Step) -> str:
    """Bits of a control register."""
    changed = []
    for name, bits in CONTROL.items():
        before, after = getattr(step.before, name), getattr(step.after, name)
        changed += [f"{name.upper()}.{bit_name} {'set' if after >> bit & 1 else 'cleared'}"
                    for bit, bit_name in bits if (before ^ after) >> bit & 1]
    return ", ".join(changed)


def _state(step: Step, film: Recorder) -> list[str]:
    """Which of the machine's switches have moved."""
    before, after = step.before, step.after
    parts = []
    if before.cpl != after.cpl and step.instruction.mnemonic not in SPECIAL:
        parts.append(f"ring {before.cpl} → {after.cpl}")
    old = film.spaces.space(before.cr0, before.cr3)
    if step.space is not old:
        parts.append(f"the tables are now {step.tables}" + (f", not {old.name}" if old else ""))
    old_stack = film.last_stack
    if step.stack and old_stack and step.stack.name != old_stack.name:
        parts.append("RSP is used for something else now" if step.stack.name == NONE else
                     f"RSP is on {step.stack.name}" + (
                         "" if old_stack.name == NONE else f", no longer on {old_stack.name}"))
    if (before.rflags ^ after.rflags) & 1 << 9 and step.instruction.mnemonic not in ("sti", "cli"):
        parts.append(f"interrupts {words.interrupts(after.rflags)}")
    return parts


def _syscall(step: Step, film: Recorder) -> str:
    return (f"ring 3 → 0 by SYSCALL: RCX has the program's RIP, R11 its RFLAGS; RSP is still the "
            f"program's; on to {film.places.function(step.after.rip)}")


def _sysret(step: Step, film: Recorder) -> str:
    return f"ring 0 → 3 by SYSRET: RIP from RCX, RFLAGS from R11; on to " \
           f"{film.places.function(step.after.rip)}"


def _iretq(step: Step, film: Recorder) -> str:
    return (f"ring {step.before.cpl} → {step.after.cpl} by IRET: RIP, CS, RFLAGS, RSP and SS from "
            f"the frame; on to {film.places.function(step.after.rip)}")


def _swapgs(step: Step, film: Recorder) -> str:
    return f"exchanges the GS bases: GS is now {gs_owner(step.after.gs_base, film)}"


def gs_owner(base: int, film: Recorder) -> str:
    """Whose GS this is."""
    if base == film.places.percpu:
        return "the kernel's"
    return "the program's" if base < 1 << 47 else "neither's"


def _wrmsr(step: Step, film: Recorder) -> str:
    written, bits = msr.about_to_write(step.before), _control(step)
    return f"{written.name} = {words.number(written.value)}" + (f" ({bits})" if bits else "")


def _rdmsr(step: Step, film: Recorder) -> str:
    number = step.before.rcx & 0xFFFF_FFFF
    value = (step.after.rdx & 0xFFFF_FFFF) << 32 | step.after.rax & 0xFFFF_FFFF
    return f"reads {msr.NAMES.get(number, f'MSR {number:#x}')}: {words.number(value)}"


def _table_register(step: Step, film: Recorder) -> str:
    names = {"lgdt": "the GDT", "lidt": "the IDT", "ltr": "the task register: the TSS",
             "lldt": "the LDT"}
    return f"loads {names[step.instruction.mnemonic]}"


def _port(step: Step, film: Recorder) -> str:
    operands = step.instruction.operands
    number = step.before.rdx & 0xFFFF
    for each in operands:
        if each.immediate is not None:
            number = each.immediate & 0xFFFF
    name = PORTS.get(number, "")
    port = f"port {number:#x}" + (f", {name}" if name else "")
    if step.instruction.mnemonic == "out":
        return f"writes {step.before.rax & 0xFF:#x} to {port}"
    return f"reads {port}"


def _plain(text: str) -> Callable[[Step, Recorder], str]:
    return lambda step, film: text


SPECIAL = {
    "syscall": _syscall, "sysret": _sysret, "sysretq": _sysret, "iretq": _iretq, "iretd": _iretq,
    "iret": _iretq, "swapgs": _swapgs, "wrmsr": _wrmsr, "rdmsr": _rdmsr, "lgdt": _table_register,
    "lidt": _table_register, "ltr": _table_register, "lldt": _table_register, "in": _port,
    "out": _port, "sti": _plain("interrupts on, after the next instruction"),
    "cli": _plain("interrupts off"), "hlt": _plain("waits for an interrupt"),
    "cpuid": _plain("asks the processor what it can do"),
    "invlpg": _plain("the processor forgets its translation of one page"),
    "nop": _plain("does nothing"), "fnclex": _plain("clears the exceptions of the FPU"),
    "emms": _plain("empties the registers of the FPU"),
    "fild": _plain("loads a number into the FPU"),
    "ljmp": _plain("a far jump: CS is new, and the mode with it"),
    "fxrstor64": _plain("loads the state of FPU and SSE"),
    "fxsave64": _plain("keeps the state of FPU and SSE"),
    "cld": _plain("strings go upwards (DF is clear)"),
}
