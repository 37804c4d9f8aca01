"""Keeps the memory of a process that holds secrets from being written to a disk or read by its own user."""

import ctypes
import resource
import sys

_PR_SET_DUMPABLE = 4


def forbid_dumps() -> None:
    """Make this process leave no core dump, and let no other process of its user attach to it (prctl(2), Linux).

    A limit of zero does not hold where the kernel pipes dumps to a program; being undumpable does.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux" and ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise OSError("The process cannot be made undumpable.")
