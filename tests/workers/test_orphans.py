"""A worker whose parent dies while it is starting must not outlive it: nobody would ever tell it to end."""

import os
import signal
import subprocess
import sys

import pytest

STARTING = "import sys; from gateway.parent import end_with_parent; end_with_parent(int(sys.argv[1])); print('works')"


@pytest.mark.parametrize("lives", [True, False], ids=["parent lives", "parent is dead"])
def test_a_worker_that_starts_after_its_parent_has_died_ends_at_once(lives):
    reading, telling = os.pipe()
    if not lives:
        # What the kernel does with the end that the parent held.
        os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-c", STARTING, str(telling)], pass_fds=(telling,), capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip
    finally:
        os.close(telling)
        if lives:
            os.close(reading)
    assert (done.returncode, done.stdout) == ((0, "works\n") if lives else (-signal.SIGTERM, "")), done.stderr
