"""`python -m holdfast.launch.rank PARENT RUN_DIR`: a process of a run that is not the first, see `processes`."""

from __future__ import annotations

import sys
from pathlib import Path

from holdfast.base.faults import Fault
from holdfast.launch.starting import end_with


def main(parent: str, run_dir: str) -> None:
    """Join the run, and leave when and as its first process says."""
    end_with(int(parent))
    from holdfast.stages import pipeline
    from holdfast.stages.ranks import Lost

    try:
        pipeline.join(Path(run_dir))
    except Lost as lost:  # some other one says why
        sys.exit(lost.code)
    except Fault as fault:
        print(f"error: {fault.cause}", file=sys.stderr)
        sys.exit(fault.code)


if __name__ == "__main__":
    main(*sys.argv[1:])
