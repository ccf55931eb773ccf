"""Commands in an empty network namespace: no network at all, or nothing but a loopback of its own."""

from __future__ import annotations

import functools
import shutil
import subprocess

import pytest

# iproute2 may be missing where Python is there; this is `ip link set lo up`, then the command.
_LOOPBACK_UP = """
import fcntl, os, socket, struct, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
    fcntl.ioctl(line, 0x8914, struct.pack("16sH14x", b"lo", 0x1 | 0x40))
os.execvp(sys.argv[1], sys.argv[1:])
"""


@functools.cache
def unshare() -> tuple[str, ...]:
    """How to start a command in an empty network namespace; empty where this machine does not allow it."""
    for options in (("-n",), ("-rn",)):
        if shutil.which("unshare") and not subprocess.run(["unshare", *options, "true"], check=False).returncode:
            return ("unshare", *options)
    return ()


def without_network(*command: object, loopback: bool = False, python: str = "/usr/bin/python3") -> list[str]:
    """The command line that runs a command there; skips the test where that is not allowed."""
    if not unshare():
        pytest.skip("this machine allows no network namespaces")
    lifted = (python, "-c", _LOOPBACK_UP) if loopback else ()
    return [*unshare(), *lifted, *map(str, command)]
