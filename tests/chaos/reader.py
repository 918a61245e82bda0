"""Opens runs of strangers through every door, each in a process of its own that is watched and kept short.

Reads the paths of runs, one a line, from standard input; writes a line of JSON about each. The first is a sound one:
with it everything is loaded that will be needed, so that whatever is imported or executed later was not ours.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from holdfast.base.faults import Fault
from holdfast.infer.load import load_model
from holdfast.stages.inspection.checkpoints import listing
from holdfast.tokenizer import store
from holdfast.vault.retention import Policy
from holdfast.vault.store import Vault
from holdfast.vault.verify import digest, digests

from .foreign import STAGE, live_state

MEMORY_BYTES = 256 * 2**20
HANG_SECONDS = 10
LONGEST_REASON = 400  # characters, without the run's own path
FORBIDDEN = (
    "exec", "compile", "import", "marshal.", "pickle.", "code.", "function.__new__", "ctypes.", "os.system", "os.exec",
    "os.fork", "os.posix_spawn", "os.spawn", "os.startfile", "subprocess.", "socket.", "pty.", "urllib.", "webbrowser.",
)  # fmt: skip
CHANGING = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod", "os.truncate")


def newest(run: Path) -> object:
    """As a resume looks for it."""
    found = Vault(run / STAGE).newest_valid()
    return found and digests(found)


def shown(run: Path) -> object:
    """As `ckpt list` and `ckpt show` do."""
    assert str(listing(run)).isprintable()
    return [digests(found) for found in Vault(run / STAGE).everything()]


def retired(run: Path) -> None:
    """As retention looks at it."""
    Vault(run / STAGE).retire(Policy(newest=2), dry=True)


def resumed(run: Path) -> object:
    """Into a live state of training, which must be as it was when that is refused."""
    state = live_state(store.load(run / "tokenizer").vocab_size, seed=9)

    def live() -> tuple[object, ...]:
        parts = (digest(tensors) for tensors in state.tensors().values())
        return (*parts, state.step, state.position, state.tokens, state.guard, state.optimizer.state_scalars())

    vault, before = Vault(run / STAGE), live()
    try:
        if (found := vault.newest_valid()) is None:
            return None
        state.restore(found.manifest, vault.load(found))
    except BaseException:
        assert live() == before, "the live state was changed by what was refused"
        raise
    return live()


def spoken(run: Path) -> object:
    """As `sample`, `chat` and `export` do."""
    return digest(dict(load_model(run).model.state_dict()))


def recovered(run: Path) -> object:
    """With the right to set damage aside; last, because it may."""
    found = Vault(run / STAGE, 2).newest_valid()
    return found and digests(found)


DOORS: dict[str, Callable[[Path], Any]] = {
    door.__name__: door for door in (newest, shown, retired, resumed, spoken, recovered)
}


def opened(run: Path) -> dict[str, list[str]]:
    """door -> how it went: given, refused or crashed, and what was given or said."""
    found = {}
    for name, door in DOORS.items():
        try:
            found[name] = ["given", str(door(run))]
        except Fault as fault:
            found[name] = ["refused", f"{fault.cause} | {fault.remedy}".replace(str(run), "RUN")]
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is what we are here to find
            found[name] = ["crashed", f"{type(error).__name__}: {error}"[:LONGEST_REASON]]
    return found


def watch(run: Path, events: list[str]) -> None:
    """From here on, note everything that could be somebody else's code, and every change outside the run."""

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event.startswith(FORBIDDEN):
            events.append(f"{event} {args!r}"[:LONGEST_REASON])
        elif event == "open" and _writes(args) and not _inside(run, args[0]):
            events.append(f"open for writing {args[0]!r}")
        elif event.startswith(CHANGING) and not all(_inside(run, path) for path in args if isinstance(path, str)):
            events.append(f"{event} {args!r}"[:LONGEST_REASON])

    sys.addaudithook(hook)


def _writes(args: tuple[Any, ...]) -> bool:
    flags = args[2] if isinstance(args[2], int) else 0
    return bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def _inside(run: Path, path: object) -> bool:
    return isinstance(path, int) or Path(os.fsdecode(path)).is_relative_to(run)  # type: ignore[arg-type]


def keep_small() -> None:
    """From here on, this process gets MEMORY_BYTES more of address space, and no more."""
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY_BYTES,) * 2)


def child(run: Path, pipe: int) -> None:
    """Open a run under limits and say how it went."""
    keep_small()
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(HANG_SECONDS)
    events: list[str] = []
    watch(run, events)
    started = time.perf_counter()
    doors = opened(run)
    seconds = time.perf_counter() - started
    os.write(pipe, json.dumps({"doors": doors, "events": list(events), "seconds": seconds}).encode())


def visit(run: Path) -> dict[str, Any]:
    """What became of a run that was opened in a process of its own; `peak` in bytes above an idle one."""
    reading, writing = os.pipe()
    if not (pid := os.fork()):
        try:
            child(run, writing)
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        said = pipe.read()
    _, status, usage = os.wait4(pid, 0)
    report = json.loads(said) if said else {"doors": {}, "events": [], "seconds": float(HANG_SECONDS)}
    return report | {"signal": status & 0x7F, "peak": usage.ru_maxrss * 1024}


def main() -> None:
    """Visit each run that standard input names."""
    first = Path(sys.stdin.readline().rstrip("\n"))
    opened(first)
    for _ in range(2):  # the first visit pays for what forked processes copy once
        report = visit(first)
    print(json.dumps(report), flush=True)
    for line in sys.stdin:
        print(json.dumps(visit(Path(line.rstrip("\n")))), flush=True)


if __name__ == "__main__":
    main()
