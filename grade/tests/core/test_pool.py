"""The pool gives every task its result, keeps tasks apart, and leaves no process."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from grade.pool import Died, Pool

PATIENCE = 60.0  # seconds: less than any process here would sleep if nobody ended it
SLEEP = 600


def alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and not yet collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pid: int) -> bool:
    """Whether a process ends: at once, but perhaps on a computer that has much else to do."""
    deadline = time.monotonic() + PATIENCE
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not alive(pid)


def wait_for(path: Path) -> str:
    deadline = time.monotonic() + PATIENCE
    while not (path.exists() and path.read_text()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return path.read_text()


def test_every_task_has_its_result() -> None:
    pool = Pool[int, int](lambda task: task * task, jobs=3, limit=10)
    assert dict(pool.run(range(20))) == {task: task * task for task in range(20)}


def test_as_many_at_once_as_asked_for() -> None:
    """Three meet, and three again: with fewer nobody would come to the meeting's end."""
    meeting = multiprocessing.Barrier(3)
    running: set[int] = set()
    most = 0

    def note(task: int) -> None:
        nonlocal most
        running.add(task)
        most = max(most, len(running))

    pool = Pool[int, int](lambda task: meeting.wait(PATIENCE), 3, SLEEP, on_start=note)
    places = []
    for task, place in pool.run(range(6)):
        running.discard(task)
        places.append(place)
    assert most == 3
    assert sorted(map(str, places)) == list("001122")


def test_large_results_pass_through_the_pipe() -> None:
    pool = Pool[int, bytes](lambda task: bytes(1 << 20), jobs=2, limit=10)
    assert all(result == bytes(1 << 20) for _, result in pool.run([1, 2]))


def test_nothing_leaks_between_tasks_or_to_the_parent() -> None:
    state: list[int] = []

    def work(task: int) -> int:
        state.append(task)
        os.environ["LEAK"] = "1"
        return len(state)

    assert [result for _, result in Pool[int, int](work, 1, 10).run([1, 2, 3])] == [1, 1, 1]
    assert not state and "LEAK" not in os.environ


def test_a_crash_is_one_tasks_loss() -> None:
    def work(task: int) -> int:
        if task == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        if task == 2:
            print("last words", flush=True)
            raise RuntimeError("broken")
        return task

    results = dict(Pool[int, int](work, 2, 10).run([1, 2, 3]))
    assert isinstance(results[1], Died) and "-9" in results[1].why
    assert isinstance(results[2], Died) and "RuntimeError: broken" in results[2].output
    assert "last words" in results[2].output
    assert results[3] == 3


def test_an_overdue_task_is_stopped_with_what_it_started(tmp_path: Path) -> None:
    note = tmp_path / "pid"

    def work(task: str) -> None:
        child = subprocess.Popen(["sleep", str(SLEEP)])
        note.write_text(str(child.pid))
        time.sleep(SLEEP)

    def until_noted() -> None:
        pool.limit = 0.2 if note.exists() and note.read_text() else SLEEP

    pool = Pool[str, None](work, 1, SLEEP, on_tick=until_noted)
    [(_, result)] = pool.run(["slow"])
    assert isinstance(result, Died) and "after 0.2 seconds" in result.why
    assert gone(int(note.read_text()))


def test_a_task_cleans_up_when_the_run_is_abandoned(tmp_path: Path) -> None:
    def work(task: str) -> None:
        try:
            (tmp_path / task).write_text(str(os.getpid()))
            time.sleep(SLEEP if task == "slow" else 0)
        finally:
            (tmp_path / f"{task} ended").write_text("by itself")

    run = Pool[str, None](work, 2, SLEEP).run(["slow", "quick"])
    wait_for(tmp_path / "slow") if next(run)[0] == "quick" else pytest.fail("slow was quicker")
    run.close()
    assert (tmp_path / "slow ended").exists()
    assert gone(int((tmp_path / "slow").read_text()))


def test_an_interrupt_while_a_task_is_collected_ends_the_others(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes when one child is no more and its result is not yet read."""
    def work(task: str) -> None:
        (tmp_path / task).write_text(str(os.getpid()))
        if task == "slow":
            time.sleep(SLEEP)
        wait_for(tmp_path / "slow")

    def interrupted(pid: int, options: int) -> tuple[int, int]:
        done = waitpid(pid, options)
        monkeypatch.undo()
        # To this thread: another one, of who runs the tests, holds no signals.
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        return done

    waitpid = os.waitpid
    monkeypatch.setattr(os, "waitpid", interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            list(Pool[str, None](work, 2, SLEEP).run(["quick", "slow"]))
    finally:
        signal.signal(signal.SIGINT, before)
    assert gone(int((tmp_path / "slow").read_text()))


def test_tasks_end_when_the_parent_is_killed(tmp_path: Path) -> None:
    def work(task: str) -> None:
        (tmp_path / "pid").write_text(str(os.getpid()))
        time.sleep(SLEEP)

    parent = os.fork()
    if parent == 0:
        try:
            list(Pool[str, None](work, 1, SLEEP).run(["slow"]))
        finally:
            os._exit(1)
    task = int(wait_for(tmp_path / "pid"))
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    assert gone(task)
