"""The compiled kernels: made by this machine's C compiler when first asked for, and kept."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

SOURCE = Path(__file__).with_name("kernels.c")
COMPILERS = ("cc", "gcc", "clang")
# rounding is kept as C has it, so that NaN and infinity stay; only traps and errno, which nobody reads, are given up
FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-fopenmp-simd",
         "-shared", "-fPIC")  # fmt: skip
SECONDS = 60  # for a compiler that takes about one


class Unavailable(Exception):
    """Why there are no compiled kernels here."""


def compiled(folder: Path) -> ctypes.CDLL:
    """The kernels, from `folder` or compiled into it. Raises Unavailable with the reason.

    The file is named by all that made it: the source, the compiler with its version, and the processor.
    """
    compiler = next((found for name in COMPILERS if (found := shutil.which(name))), None)
    if compiler is None or sys.platform == "win32":
        raise Unavailable("no C compiler is installed")
    try:
        about = subprocess.run(  # its version and what it takes the processor to have, as macros
            [compiler, *FLAGS, "-dM", "-E", "-x", "c", os.devnull], capture_output=True, timeout=SECONDS, check=True
        ).stdout
        name = hashlib.sha256(b"\0".join([SOURCE.read_bytes(), about, " ".join(FLAGS).encode()])).hexdigest()[:24]
        path = folder / f"kernels-{name}.so"
        with suppress(OSError):  # not there yet, or not whole
            return ctypes.CDLL(str(path))
        _compile(compiler, path)
        return ctypes.CDLL(str(path))
    except (OSError, subprocess.SubprocessError) as error:
        raise Unavailable(f"{compiler}: {_words(error)}") from error


def _compile(compiler: str, path: Path) -> None:
    """Under another name first: several processes may compile at once, and one may be killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        made = Path(scratch) / path.name
        command = [compiler, *FLAGS, str(SOURCE), "-o", str(made), "-lm"]
        subprocess.run(command, capture_output=True, timeout=SECONDS, check=True)
        with made.open("rb") as whole:
            os.fsync(whole.fileno())
        os.replace(made, path)


def _words(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        return str(error.stderr.decode(errors="replace").strip().partition("\n")[0] or error)
    return str(error)
