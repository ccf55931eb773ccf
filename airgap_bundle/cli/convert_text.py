"""What `airgap-manifest convert` says: the manifest on standard output, what was lost on standard error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.text import count_text

if TYPE_CHECKING:
    from airgap_bundle.manifest.convert import Converted
    from airgap_bundle.output.terminal import Terminal


def show_converted(converted: Converted, terminal: Terminal) -> None:
    """The manifest, and a warning for everything that was not carried over."""
    for sentence in converted.lost:
        terminal.warn(f"not carried over: {sentence}")
    if terminal.json:
        terminal.emit({"version": 1, "kind": converted.kind, "manifest": converted.text, "lost": list(converted.lost)})
        return
    terminal.write(converted.text)
    what = count_text(converted.entries, "entry", "entries")
    terminal.say(f"Converted {what} from {converted.kind}; check it with airgap-manifest check")
