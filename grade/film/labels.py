"""Who put a word where it is: a label that travels with copies, in registers and in memory.

When the kernel is entered, each register holds the program's value. Whoever pushes it puts the
program's value on a stack; whoever copies that word copies its label as well. So a film can say,
many steps later, that RSI has the program's RSI again, or that it has the program's RDI."""

from __future__ import annotations

from typing import NamedTuple

from grade.film.instructions import REGISTER_OF, Instruction
from grade.machine.gdbremote import GENERAL

CPU = "CPU"
FRAME = ("RIP", "CS", "RFLAGS", "RSP", "SS")  # as the processor leaves it, lowest address first
SOON = 3  # steps after an event in which a stub pushes the vector


class Label(NamedTuple):
    """What a word is, and who put it there."""

    what: str
    who: str


class Labels:
    """The labels of a moment. Words are known by physical address: a page may be mapped twice."""

    def __init__(self) -> None:
        self.registers: dict[str, str] = {}
        self.words: dict[int, Label] = {}
        self._since_event = SOON
        self._error_code = False

    def into_ring0(self, syscall: bool) -> None:
        """Each register has the program's value; SYSCALL has put two others in place of two."""
        self.registers = {name: f"program's {name}" for name in GENERAL}
        if syscall:
            self.registers.update(rcx="program's rip", r11="program's rflags")
        else:
            del self.registers["rsp"]  # the processor has taken another one

    def out_of_ring0(self) -> None:
        self.registers.clear()

    def event(self, error_code: bool) -> None:
        """The processor has delivered something: a stub says soon which vector it was."""
        self._since_event, self._error_code = 0, error_code
        self.registers.pop("rsp", None)

    @staticmethod
    def frame(index: int, whose: str) -> Label:
        """A word of the frame that the processor pushed; -1 is the error code."""
        return Label("error code" if index < 0 else f"{whose}'s {FRAME[index].lower()}", CPU)

    def pushed(self, instruction: Instruction, source: Label | None, who: str, returns: str
               ) -> Label:
        """Of the word that an instruction has pushed. `source` is the label of what it read."""
        if instruction.mnemonic == "call":
            return Label(f"return to {returns}", who)
        if instruction.mnemonic.startswith("pushf"):
            return Label("rflags", who)
        operand = instruction.operands[0] if instruction.operands else None
        if operand and operand.immediate is not None:
            return Label(self._immediate(operand.immediate), who)
        if operand and operand.register:
            whole = REGISTER_OF.get(operand.register, operand.register)
            return Label(self.registers.get(whole, whole), who)
        return Label(source.what, who) if source else Label("a copy", who)

    def _immediate(self, value: int) -> str:
        """A stub makes up an error code where there is none, and then says which vector it was."""
        if self._since_event >= SOON:
            return "a constant"
        if not self._error_code:
            self._error_code = True
            return "no error code"
        self._since_event = SOON
        return "vector"

    def stored(self, instruction: Instruction, who: str) -> Label:
        """Of a word that an instruction has written by its address."""
        source = instruction.operands[-1] if instruction.operands else None
        if instruction.mnemonic in ("mov", "movabs") and source and source.register:
            whole = REGISTER_OF.get(source.register, source.register)
            return Label(self.registers.get(whole, whole), who)
        return Label("", who)

    def executed(self, instruction: Instruction, source: Label | None, changed: set[str]) -> None:
        """Registers that have got a new value lose their label, or take over the source's."""
        moved = self._moved(instruction, source)
        for name in changed | set(instruction.written):
            self.registers.pop(name, None)
        if moved:
            self.registers[moved[0]] = moved[1]
        self._since_event += 1

    def _moved(self, instruction: Instruction, source: Label | None) -> tuple[str, str] | None:
        """The register that gets a labelled value unchanged, and the label."""
        operands = instruction.operands
        if not operands or operands[0].register not in GENERAL:
            return None
        target = operands[0].register
        if instruction.mnemonic == "pop" or (
                instruction.mnemonic == "mov" and len(operands) == 2 and operands[1].access):
            known = source is not None and source.what and source.what not in REGISTER_OF
            return (target, source.what) if source and known else None
        if instruction.mnemonic == "mov" and operands[1].register in self.registers:
            return target, self.registers[operands[1].register]
        return None
