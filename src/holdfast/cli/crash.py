"""An error nobody foresaw: the traceback goes to a file, one line with its path to the screen."""

from __future__ import annotations

import os
import sys
import tempfile
import time
import traceback
from pathlib import Path
from types import TracebackType

_folder: Path | None = None


def log_crashes_in(run_dir: Path) -> None:
    """From now on, tracebacks are kept with this run (which exists, or is about to)."""
    global _folder  # the one fact that the interpreter's last hook needs and can not be handed
    _folder = run_dir / "logs"


def report_crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What `sys.excepthook` calls. The interpreter then exits with 1."""
    text = "".join(traceback.format_exception(kind, error, trace))
    reason = " ".join(str(error).split())[:200]
    print(f"error: {kind.__name__}{f': {reason}' if reason else ''}", file=sys.stderr)
    print(f"  fix: this should not happen; the details are in {_keep(text)}", file=sys.stderr)


def _keep(text: str) -> Path:
    name = f"crash-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    if _folder is not None and _folder.parent.is_dir():
        try:
            _folder.mkdir(exist_ok=True)
            (_folder / name).write_text(text, "utf-8", errors="backslashreplace")
            return _folder / name
        except OSError:
            pass  # a full or read-only disk may be the very reason: the temporary folder is the second choice
    path = Path(tempfile.gettempdir()) / f"holdfast-{name}"
    path.write_text(text, "utf-8", errors="backslashreplace")
    return path
