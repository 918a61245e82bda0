"""Errors that people read: what happened, what to do, and the exit code that tells a script which kind it was."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What `holdfast` tells the shell; schedulers requeue on STOPPED."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_READY = 3
    DIVERGED = 70
    DISK = 74
    STOPPED = 75
    NO_VALID_CHECKPOINT = 78


class Fault(Exception):
    """A failure with a cause in one line and a remedy in one line; the command line prints both and no traceback."""

    code = ExitCode.FAILED

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(cause)
        self.cause = cause
        self.remedy = remedy


class RecipeFault(Fault):
    """The recipe or the command line asks for something that does not exist or contradicts itself."""

    code = ExitCode.USAGE


class DataFault(Fault):
    """The text, chats or token files can not be used as asked."""


class NotReady(Fault):
    """The plan found that the run would fail."""

    code = ExitCode.NOT_READY


class Diverged(Fault):
    """The guard halted the run: the numbers stopped making sense."""

    code = ExitCode.DIVERGED


class DiskFault(Fault):
    """The disk is full, read-only or failing."""

    code = ExitCode.DISK


class Stopped(Fault):
    """A clean stop on a signal or a time limit: everything is saved, run again to go on."""

    code = ExitCode.STOPPED


class NoValidCheckpoint(Fault):
    """Checkpoints exist and none verifies; starting from scratch would hide that."""

    code = ExitCode.NO_VALID_CHECKPOINT
