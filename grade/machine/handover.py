"""The machine given to a person: `make debug TEST=...` stops a check at a function, under gdb."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from grade.machine.calls import Place

if TYPE_CHECKING:
    from grade.machine.machine import Machine

DEBUG_AT = "RUNG_DEBUG_AT"  # in the environment: the function


class HandOver(Exception):
    """The machine has come to the place where a person wants to look at it. It stands still, and
    lives on after its `with` block until `end()`; gdb may attach to `gdb_path`. What the kernel
    prints meanwhile goes to the file `serial_log`."""

    def __init__(self, machine: Machine, place: Place) -> None:
        super().__init__(f"the machine waits at {place}; gdb: target remote {machine.gdb_path}")
        self.machine = machine
        self.place = place
        self.gdb_path = machine.gdb_path
        self.kernel = machine.kernel
        self.pid = machine.session.qemu.pid
        self.serial_log = machine.session.qemu.serial_log
        self._ended = threading.Event()
        self._drain = threading.Thread(target=self._keep_draining, daemon=True)

    def begin(self) -> None:
        """Leave the gdb socket to the person, and drain the others: a full pipe stops QEMU."""
        session = self.machine.session
        session.hand_over()
        self._drain.start()

    def _keep_draining(self) -> None:
        console, written = self.machine.console, 0
        with self.serial_log.open("wb", buffering=0) as file:
            while not self._ended.is_set() and not self.machine.session.qemu.exited():
                self.machine.session.pump.turn(0.1)
                file.write(console.raw[written:])
                written = len(console.raw)

    def end(self) -> None:
        """The person has gone: so does the machine."""
        self._ended.set()
        self._drain.join()
        self.machine.close()
