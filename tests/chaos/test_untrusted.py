"""Checkpoints of strangers: no code of theirs runs, none takes more than its share, and none harms a live state.

Every attack is opened through every door of `reader`, in a process that is forked for it, may take 256 MB of address
space and is watched for anything that could be foreign code.
"""

from __future__ import annotations

import ast
import io
import json
import os
import pickle
import pickletools
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import holdfast

from .attacks import ATTACKS, HARMLESS, Bomb, torch_saved
from .conftest import Bench
from .foreign import sound_run
from .reader import LONGEST_REASON, MEMORY_BYTES
from .results import count, record

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = os.environ | {
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
}
INTO_SOMETHING_LIVE = ("resumed", "spoken")  # doors behind which a model or a state of training is made


class Visitor:
    """The client's side of `reader`, and what it has seen so far."""

    def __init__(self, process: subprocess.Popen[str], sound: Path) -> None:
        self._process = process
        self.sound = sound
        self.of_sound = self.visit(sound)
        self.seen: dict[str, dict[str, Any]] = {}

    def visit(self, run: Path) -> dict[str, Any]:
        """What became of opening a run."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{run}\n")
        self._process.stdin.flush()
        report: dict[str, Any] = json.loads(self._process.stdout.readline())
        return report


@pytest.fixture(scope="module")
def visitor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """A reader that has seen the sound run; what it found in all others is kept at the end."""
    sound = tmp_path_factory.mktemp("untrusted") / "sound"
    sound_run(sound)
    command = [sys.executable, "-m", "tests.chaos.reader"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT, cwd=ROOT
    ) as process:
        visitor = Visitor(process, sound)
        yield visitor
        assert process.stdin is not None
        process.stdin.close()
    idle = visitor.of_sound["peak"]
    record(
        "untrusted-attacks",
        {
            "attacks": len(visitor.seen),
            "refused": sum(bool(doors_that(report, "refused")) for report in visitor.seen.values()),
            "harmless": sum(not doors_that(report, "refused") for report in visitor.seen.values()),
            "foreign_code": sum(bool(report["events"]) for report in visitor.seen.values()),
            "address_space_limit_bytes": MEMORY_BYTES,
            "most_memory_bytes": max((report["peak"] - idle for report in visitor.seen.values()), default=0),
            "slowest_seconds": max((report["seconds"] for report in visitor.seen.values()), default=0.0),
        },
    )


def doors_that(report: dict[str, Any], did: str) -> dict[str, str]:
    return {door: said for door, (how, said) in report["doors"].items() if how == did}


def test_the_sound_run_is_given_by_every_door(visitor: Visitor) -> None:
    assert doors_that(visitor.of_sound, "given").keys() == visitor.of_sound["doors"].keys()
    assert visitor.of_sound["events"] == []
    assert len(visitor.of_sound["doors"]) == 6


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_in_one_line_or_harmless(visitor: Visitor, tmp_path: Path, name: str) -> None:
    run = tmp_path / "run"
    shutil.copytree(visitor.sound, run)
    ATTACKS[name](run)
    report = visitor.seen[name] = visitor.visit(run)
    assert report["signal"] == 0, "it had to be ended"
    assert report["events"] == [], "code of a stranger, or a change outside of the run"
    assert doors_that(report, "crashed") == {}
    refused, given = doors_that(report, "refused"), doors_that(report, "given")
    assert refused or name in HARMLESS
    assert all(said.isprintable() and len(said) <= LONGEST_REASON for said in refused.values())
    for door in INTO_SOMETHING_LIVE:
        assert given.get(door, "None") in (visitor.of_sound["doors"][door][1], "None")


def test_there_are_more_attacks_than_promised() -> None:
    assert len(ATTACKS.keys() - HARMLESS) >= 60
    assert ATTACKS.keys() >= HARMLESS


DEEDS = (
    "pickle.loads(pickle.dumps(Bomb()))",
    "os.system('true')",
    "exec('1 + 1')",
    "eval('1 + 1')",
    "import xml.dom.minidom",
    "subprocess.run(['true'])",
    "open('outside', 'w')",
    "open('outside', 'ab')",
    "os.rename('here', 'there')",
    "ctypes.CDLL(None)",
    "torch.load(io.BytesIO(torch_saved()), weights_only=False)",
)
WATCHED = """
import contextlib, ctypes, io, os, pathlib, pickle, subprocess, sys, torch
from tests.chaos.attacks import Bomb, torch_saved
from tests.chaos.reader import watch
deeds = [(deed, compile(deed, "deed", "exec")) for deed in ("pass", *sys.argv[1:])]
watch(pathlib.Path("nowhere"), events := [])
for deed, code in deeds:
    before = len(events)
    with contextlib.suppress(OSError):
        exec(code)
    print(len(events) - before, deed)
"""


def test_the_watch_sees_what_it_is_there_for(tmp_path: Path) -> None:
    """Else an attack that runs code would pass for harmless."""
    environment = ENVIRONMENT | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ENVIRONMENT['PYTHONPATH']}"}
    command = [sys.executable, "-c", WATCHED, *DEEDS]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    seen = {deed: int(events) for events, _, deed in (line.partition(" ") for line in done.stdout.splitlines())}
    assert seen.pop("pass") == 1, "the one by which deeds are done here"
    assert seen.keys() == set(DEEDS)
    assert [deed for deed, events in seen.items() if events <= 1] == []


def test_manifests_and_headers_changed_at_random() -> None:
    cases = count(3_000, 100_000)
    command = [sys.executable, "-m", "tests.chaos.fuzz", str(cases), "7"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    record("untrusted-fuzz", figures)
    assert figures["cases"] == cases
    assert figures["events"] == []
    outcomes = figures["outcomes"]
    assert outcomes.keys() <= {"manifest read", "manifest refused", "manifest newer", "file read", "file refused"}
    assert outcomes["manifest refused"] > cases / 4
    assert outcomes["file refused"] > cases / 4
    assert outcomes["manifest read"] > 0, "some changes change nothing: without them nothing is tried behind the door"
    assert figures["grown_bytes"] < MEMORY_BYTES


MARKS = (b"\x80\x02}", b"\x80\x02c", b"\x80\x04\x95", b"\x80\x05\x95", b"ctorch", b"cos\nsystem", b"c__builtin__")


def pickled(data: bytes) -> bool:
    """Whether there is a pickle at the start of data, somewhere within it, or in an archive that it is."""
    if any(mark in data for mark in MARKS) or zipfile.is_zipfile(io.BytesIO(data)):
        return True
    with suppress(tarfile.TarError), tarfile.open(fileobj=io.BytesIO(data)):
        return True
    try:
        list(pickletools.genops(data))
    except (ValueError, UnicodeDecodeError):
        return False
    return True


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_known_when_it_is_seen(protocol: int) -> None:
    for value in ({"a": 1}, Bomb(), [1, 2], "text"):
        assert pickled(pickle.dumps(value, protocol))
    assert pickled(torch_saved())


def test_no_file_of_a_finished_run_is_a_pickle(bench: Bench) -> None:
    files = [path for path in bench.unbroken.rglob("*") if path.is_file()]
    kinds = {path.suffix for path in files}
    assert kinds >= {".json", ".jsonl", ".safetensors", ".bin", ".idx", ".mask", ".yaml", ".html"}
    assert [path for path in files if pickled(path.read_bytes())] == []


NEVER = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
PIPES = {"text/crew.py"}  # to processes of its own and back: no file has a part in it, and nothing from elsewhere
PEERS = {"bench/state.py"}  # measures how others save, in a folder that is gone behind it


def test_nothing_in_the_source_could_write_or_read_one() -> None:
    found = []
    source = Path(holdfast.__file__).parent
    for path in source.rglob("*.py"):
        if path.relative_to(source).as_posix() in PEERS:
            continue
        if path.relative_to(source).as_posix() in PIPES:
            assert "open(" not in path.read_text("utf-8").replace("os.fdopen(", "").replace("Popen(", "")
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names: set[str] = set()
            if isinstance(node, ast.Import):
                names = {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names = {(node.module or "").split(".")[0]}
            elif isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                if called in ("torch.save", "torch.load") or "allow_pickle" in [word.arg for word in node.keywords]:
                    names = NEVER
            if names & NEVER:
                found.append(f"{path.name}:{node.lineno}")
    assert found == []
