"""What every test may lean on: one thread, texts to train on, and the real corpora where a machine has them."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before anything imports torch; processes that tests start inherit it
os.environ["MKL_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["HOLDFAST_CACHE"] = tempfile.mkdtemp(prefix="holdfast-cache-")  # nothing of the user's, and nothing stays

import signal

import pytest
from hypothesis import settings

# A shell that starts the tests in the background lets them ignore Ctrl-C, and every process they start with them.
signal.signal(signal.SIGINT, signal.default_int_handler)
atexit.register(shutil.rmtree, os.environ["HOLDFAST_CACHE"], ignore_errors=True)

# Examples are derived from the test itself: what passes here passes in a fresh clone, on a slow machine too.
settings.register_profile("holdfast", deadline=None, derandomize=True, database=None)
settings.load_profile("holdfast")

LETTERS = (
    "The {0} came in on the morning tide with {1} barrels of salt. Her master asked for a berth by the old stairs.\n\n"
    "By noon the fog had lifted, and {2} people stood along the quay. Nobody could say who had sent for them.\n"
)
SHIPS = ("Heron", "Gannet", "Linnet", "Curlew", "Plover", "Dunlin", "Siskin", "Osprey")


@pytest.fixture(autouse=True)
def _without_kernels() -> Iterator[None]:
    """What a run in this process has loaded is not there for the next test."""
    yield
    if "holdfast.native.ops" in sys.modules:
        sys.modules["holdfast.native.ops"].unload()


@pytest.fixture
def corpus_folder(tmp_path: Path) -> Path:
    """A folder of small, different text files: enough for both splits, read in no time."""
    folder = tmp_path / "texts"
    folder.mkdir()
    for number in range(40):
        ship = SHIPS[number % len(SHIPS)]
        (folder / f"letter-{number:02}.txt").write_text(LETTERS.format(ship, number + 3, 2 * number + 1), "utf-8")
    return folder


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real texts, from HOLDFAST_SHARED or beside the repository; the test is skipped without it."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("HOLDFAST_SHARED", beside))
    if not folder.is_dir():
        pytest.skip(f"no folder of real texts at {folder}; set HOLDFAST_SHARED to one")
    return folder
