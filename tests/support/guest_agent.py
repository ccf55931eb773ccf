"""The first process of a virtual machine: runs commands that come down a line, and answers with what they said.

It runs there, as a script, and imports nothing of ours: the machine has this one's files, for reading.
"""

from __future__ import annotations

import json
import os
import subprocess

_LINE = "/dev/virtio-ports/commands"
_PLACES = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def main() -> None:
    """Serve until the machine is switched off."""
    home = {"PATH": _PLACES, "HOME": "/root", "LC_ALL": "C.UTF-8", "TZ": "UTC", "COLUMNS": "120"}
    descriptor = os.open(_LINE, os.O_RDWR)
    with os.fdopen(descriptor, "rb") as asked:
        os.write(descriptor, b"ready\n")
        for raw in asked:
            wish = json.loads(raw)
            try:
                done = subprocess.run(
                    wish["words"],
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    check=False,
                    env={**home, **wish["environment"]},
                )
                said = {"status": done.returncode, "out": done.stdout, "err": done.stderr}
            except OSError as error:
                said = {"status": 127, "out": "", "err": str(error)}
            pending = json.dumps(said).encode() + b"\n"
            while pending:
                pending = pending[os.write(descriptor, pending) :]


if __name__ == "__main__":
    main()
