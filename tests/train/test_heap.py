"""Freed memory stays with the process: counted in pages that the system hands out."""

import os
import subprocess
import sys

import pytest

from holdfast.train.heap import VARIABLE, keep_freed_memory

# Pages that a round of allocating and freeing like a training step's takes, once it has done so before.
ROUNDS = """
import resource, sys, torch
from holdfast.train.heap import keep_freed_memory
told = keep_freed_memory()
def round():
    kept = [torch.ones(n * 2**18) for n in (3, 40, 5, 60)]  # 3 to 60 MB
    del kept
for _ in range(8):
    round()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    round()
print(told, (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // 5)
"""


def faults(**environment: str) -> tuple[str, int]:
    known = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    command = [sys.executable, "-c", ROUNDS]
    told, count = subprocess.run(command, env=known | environment, capture_output=True, check=True).stdout.split()
    return told.decode(), int(count)


@pytest.mark.slow  # fresh interpreters
def test_a_step_takes_no_new_pages() -> None:
    kept, system = faults(), faults(**{VARIABLE: "system"})
    assert (kept[0], system[0]) == ("True", "False")
    assert kept[1] * 100 < system[1]
    assert faults(MALLOC_TOP_PAD_="1")[0] == "False", "who sets the allocator up keeps it"


def test_it_can_be_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "system")
    assert not keep_freed_memory()
