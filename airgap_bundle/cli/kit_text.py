"""What `airgap-export kit` says about the kit that it made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.text import size_text
from airgap_bundle.output.tables import closing_line, pairs

if TYPE_CHECKING:
    from airgap_bundle.connected.kit.making import Kit
    from airgap_bundle.output.terminal import Terminal

# Named by size, so that somebody with a slow link knows what for.
_LARGEST = 3


def show_kit(kit: Kit, seconds: float, terminal: Terminal) -> None:
    """Where it is, for which machines, and what the person inside has to compare."""
    if not kit.fingerprint:
        terminal.warn(f"{kit.output} is unsigned; --sign gpg:KEY signs one")
    if terminal.json:
        terminal.emit(_record(kit))
        return
    terminal.show(
        closing_line("Wrote", str(kit.output), [(len(kit.wheels), "wheel")], size=kit.total_bytes, seconds=seconds)
    )
    largest = sorted(kit.wheels, key=lambda wheel: (-wheel.size, wheel.name))[:_LARGEST]
    facts = [
        ("toolkit", kit.version),
        ("installs on", ", ".join(map(str, kit.targets))),
        ("wheels", f"{size_text(sum(wheel.size for wheel in kit.wheels))}, the largest: "
         + ", ".join(f"{wheel.name} {size_text(wheel.size)}" for wheel in largest)),
    ]  # fmt: skip
    if one := kit.executable:
        needs = f", glibc {one.glibc} or newer" if one.glibc else ""
        facts.append(("standalone", f"{one.file}: {size_text(one.size)}, {one.platform}{needs}, Python {one.python}"))
    if kit.fingerprint:
        facts += [("signed by", kit.signer), ("fingerprint", kit.fingerprint)]
    facts.append(("SHA256SUMS", kit.sums.encoded))
    terminal.show(pairs(facts, width=terminal.width))
    what = "the fingerprint" if kit.fingerprint else "the hash of SHA256SUMS"
    terminal.say(f"Tell the inside {what} by another way than this medium")


def _record(kit: Kit) -> dict[str, object]:
    one = kit.executable
    return {
        "version": 1,
        "kit": str(kit.output),
        "toolkit": kit.version,
        "targets": [{"python": target.python, "platform": target.platform} for target in kit.targets],
        "bytes": kit.total_bytes,
        "wheels": [{"name": wheel.name, "version": wheel.version, "size": wheel.size} for wheel in kit.wheels],
        "standalone": None
        if one is None
        else {
            "file": one.file,
            "size": one.size,
            "unpacked": one.unpacked,
            "platform": one.platform,
            "python": one.python,
            "glibc": one.glibc,
        },
        "signedBy": kit.fingerprint or None,
        "sha256sums": kit.sums.encoded,
    }
