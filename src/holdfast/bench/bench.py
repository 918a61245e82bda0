"""What every verb of `holdfast bench` is given, and the peers that it names."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from holdfast.base.faults import RecipeFault
from holdfast.base.machine import cores
from holdfast.bench.child import Watched, in_fresh_process
from holdfast.bench.figures import Shape
from holdfast.bench.machine import QUIET, busy, described, probe
from holdfast.bench.peers import PEERS, checkout_of
from holdfast.bench.rounds import Trial, result, write

SEED = 1337


@dataclass(frozen=True)
class Bench:
    """Where a benchmark works and writes, whom it compares with, and how often.

    checkouts: the folder of each peer that is no package. python: the interpreter that peers are installed for.
    tell:      hears a line about each run.
    """

    work: Path
    out: Path
    against: tuple[str, ...] = ()
    checkouts: Mapping[str, str] = field(default_factory=dict)
    python: str = sys.executable
    rounds: int = 5
    tell: Callable[[str], None] = lambda line: None

    def __post_init__(self) -> None:
        self.work.mkdir(parents=True, exist_ok=True)

    def require_peers(self, known: Sequence[str] = tuple(PEERS)) -> None:
        """Raise RecipeFault where a peer is none of `known`, or its folder was not given."""
        for name in self.against:
            if name not in known:
                raise RecipeFault(f"there is no peer {name}", f"there are {', '.join(known)}")
            wanted = checkout_of(name)
            if name in PEERS and PEERS[name].checkout and wanted not in self.checkouts:
                raise RecipeFault(f"{wanted} is no package", f"give its folder: --peer {wanted}=DIR")

    def trial(self) -> tuple[Trial, dict[str, Any]]:
        """How to measure, and the machine; says so when it is not quiet."""
        percent = busy()
        if percent > QUIET:
            self.tell(f"this machine is not quiet: {percent:.0f} % of it is at work for others; figures will spread")
        return Trial(self.rounds, probe, self.tell), described(percent)

    def train_peer(self, name: str, shape: Shape, config: Mapping[str, Any]) -> tuple[Watched, list[dict[str, Any]]]:
        """Let a peer train in a fresh process. config: what is not in the shape, see `holdfast.bench.peers.loop`."""
        whole = {
            "layers": shape.layers,
            "width": shape.width,
            "head_size": shape.head_size,
            "context": shape.context,
            "rows": shape.rows,
            "steps": None,
            "seconds": None,
            "heldout": None,
            "threads": cores(),
            "compile": PEERS[name].compile,
            "seed": SEED,
            "checkout": self.checkouts.get(checkout_of(name)),
            **config,
        }
        return in_fresh_process(f"holdfast.bench.peers.{PEERS[name].module}", whole, self.work, self.python)

    def keep(self, name: str, verb: str, environment: Mapping[str, Any], config: Mapping[str, Any],
             runs: Sequence[Any], **more: Any) -> dict[str, Any]:  # fmt: skip
        """Write a result and return it."""
        found = result(verb, environment, config, runs, **more)
        self.tell(f"written: {write(self.out, name, found)}")
        return found
