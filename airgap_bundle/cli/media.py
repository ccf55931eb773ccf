"""How a person is asked for the next medium: a sentence on the terminal, an answer that may name a directory."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from airgap_bundle.bundle.volumes.sources import MediaSupply
from airgap_bundle.core.errors import HostError
from airgap_bundle.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airgap_bundle.core.report import Reporter

# Longer than any path that a system takes.
_MAX_ANSWER_CHARACTERS = 8192


def media_supply(media: Sequence[Path] | None, wait_seconds: float, report: Reporter) -> MediaSupply:
    """Where further volumes come from: `--media`, and somebody to ask where there is a terminal to ask on."""
    has_terminal = sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
    return MediaSupply(
        directories=tuple(media or ()),
        wait_seconds=wait_seconds,
        ask=ask_on_terminal if has_terminal and not wait_seconds else None,
        report=report,
    )


def ask_on_terminal(sentence: str) -> Path | None:
    """Show what is needed, and wait for Enter or a directory. `HostError` where the terminal is closed."""
    sys.stderr.write(f"\r\x1b[K{printable(sentence)}\nInsert the medium and press Enter, or type where it is: ")
    sys.stderr.flush()
    answer = sys.stdin.readline(_MAX_ANSWER_CHARACTERS)
    if not answer:
        raise HostError(
            "AB-HOST-TERMINAL", f"{sentence}, and the terminal was closed", hint="run the command again; it goes on"
        )
    return Path(answer.strip()).expanduser() if answer.strip() else None
