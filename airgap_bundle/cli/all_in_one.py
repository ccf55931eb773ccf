"""The three programs in one executable: which one is said by its own name, or by the first word.

`airgap import verify …`, `airgap airgap-import verify …`, and `airgap-import verify …` through a link of that name are
the same. `airgap-export kit --standalone` makes the executable.
"""

import os
import sys
from collections.abc import Callable
from pathlib import PurePath

from airgap_bundle import __version__
from airgap_bundle.cli import start

_PROGRAMS: dict[str, Callable[[], None]] = {
    "airgap-manifest": start.airgap_manifest,
    "airgap-export": start.airgap_export,
    "airgap-import": start.airgap_import,
}
_PREFIX = "airgap-"
_USAGE_STATUS = 2
_HELP = f"""\
airgap-bundle {__version__}, all three programs in one

  airgap import …     verify bundles and load them: the inside
  airgap export …     fetch, write and sign bundles: the outside
  airgap manifest …   what should travel

airgap import --help goes on from here. A link to this file that is called
airgap-import is that program.
"""


def main() -> None:
    """Run the program that is asked for, which exits."""
    _restore_environment()
    program = _PROGRAMS.get(PurePath(sys.argv[0]).name)
    if program is not None:
        program()
        return
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    program = _PROGRAMS.get(word if word.startswith(_PREFIX) else f"{_PREFIX}{word}")
    if program is not None:
        del sys.argv[1]
        program()
        return
    if word == "--version":
        sys.stdout.write(f"airgap {__version__}\n")
        return
    sys.stderr.write(_HELP)
    sys.exit(0 if word in {"--help", "-h"} else _USAGE_STATUS)


def _restore_environment() -> None:
    """Let programs of the machine find the machine's own libraries: gpg would load those that we brought along."""
    if not getattr(sys, "frozen", False):
        return
    for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"):
        original = os.environ.pop(f"{name}_ORIG", None)
        if original is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = original
