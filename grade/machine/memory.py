"""Memory by virtual address, through page tables: `m.memory`. Where none are named by `cr3`, it is
those in use; as long as paging is off, an address is a physical one. An address that is not mapped
is a Failure, and says why. (By physical address: phys.py.)"""

from __future__ import annotations

from collections.abc import Iterator

from grade.machine import paging
from grade.machine.gdbremote import Gdb
from grade.machine.layout import CR0_PG, PAGE, WORD
from grade.machine.paging import Mapping, Translation
from grade.machine.phys import PhysicalMemory
from grade.outcome import Failure, Outcome


class VirtualMemory:
    """That of one machine."""

    def __init__(self, phys: PhysicalMemory, gdb: Gdb) -> None:
        self._phys, self._gdb = phys, gdb

    def read(self, va: int, size: int, cr3: int | None = None) -> bytes:
        return b"".join(self._phys.read(pa, length) for pa, length in self._pieces(va, size, cr3))

    def write(self, va: int, data: bytes, cr3: int | None = None) -> None:
        for pa, length in self._pieces(va, len(data), cr3):
            self._phys.write(pa, data[:length])
            data = data[length:]

    def u64(self, va: int) -> int:
        return int.from_bytes(self.read(va, 8), "little")

    def u32(self, va: int) -> int:
        return int.from_bytes(self.read(va, 4), "little")

    def set_u64(self, va: int, value: int) -> None:
        self.write(va, (value % WORD).to_bytes(8, "little"))

    def string(self, va: int, longest: int = PAGE) -> str:
        """The C string at va."""
        data = b""
        while b"\0" not in data and len(data) < longest:
            data += self.read(va + len(data), min(64, PAGE - (va + len(data)) % PAGE))
        return data.partition(b"\0")[0].decode(errors="replace")

    def poke_code(self, va: int, data: bytes) -> None:
        """Write over code: through gdb, so that QEMU forgets what it has translated."""
        self._gdb.write(va, data)

    def _pieces(self, va: int, size: int, cr3: int | None) -> Iterator[tuple[int, int]]:
        """The physical pieces of a virtual range."""
        registers = self._gdb.registers()
        if cr3 is None and not registers.cr0 & CR0_PG:
            yield va, size
            return
        cr3 = registers.cr3 if cr3 is None else cr3
        while size:
            found = paging.walk(self._phys, cr3, va)
            if not found:
                raise Failure(Outcome.WRONG, paging.explain(self._phys, cr3, va),
                              f"{va:#x} is mapped")
            length = min(size, found.size - va % found.size)
            yield found.pa, length
            va, size = va + length, size - length

    def walk(self, va: int, cr3: int | None = None) -> Translation | None:
        return paging.walk(self._phys, self._gdb.registers().cr3 if cr3 is None else cr3, va)

    def mappings(self, cr3: int | None = None, first: int = 0, last: int = 511) -> list[Mapping]:
        """Every page mapped, with effective rights; through L4 entries first..last only."""
        root = self._gdb.registers().cr3 if cr3 is None else cr3
        return paging.mappings(self._phys, root, first, last)

    def table_frames(self, cr3: int | None = None) -> set[int]:
        return paging.table_frames(self._phys, self._gdb.registers().cr3 if cr3 is None else cr3)
