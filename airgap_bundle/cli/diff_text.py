"""What `airgap-manifest diff` says, as text, JSON, and Markdown for a review comment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.text import count_text, size_text
from airgap_bundle.output import markdown
from airgap_bundle.output.tables import table

if TYPE_CHECKING:
    from airgap_bundle.manifest.diff import Compared, Comparison, Side
    from airgap_bundle.output.terminal import Terminal

_UNKNOWN = "not known"
_SHORT_DIGEST = 19


def show_diff(found: Comparison, terminal: Terminal) -> None:
    """The difference in the format that was asked for."""
    if terminal.json:
        terminal.emit(_record(found))
    elif terminal.output_format == "markdown":
        terminal.write(_markdown(found))
    else:
        _show_text(found, terminal)


def _show_text(found: Comparison, terminal: Terminal) -> None:
    rows = [("added", one.kind, one.source, _after(one)) for one in found.added]
    rows += [("removed", one.kind, one.source, one.digest) for one in found.removed]
    rows += [("changed", new.kind, _renamed(old, new), _change(old, new)) for old, new in found.changed]
    if rows:
        terminal.show(table(("", "KIND", "WHAT", "DIGEST"), rows, width=terminal.width))
    terminal.show(_tally(found))
    for line in _weights(found):
        terminal.show(line)


def _markdown(found: Comparison) -> str:
    old, new = found.old, found.new
    parts = [f"### {markdown.text(new.product)} {markdown.text(_versions(old, new))}", markdown.text(_tally(found))]
    rows = [("added", new_cell, _code_after(one)) for one in found.added if (new_cell := markdown.code(one.source))]
    rows += [("removed", markdown.code(one.source), markdown.code(_short(one.digest))) for one in found.removed]
    rows += [
        ("changed", markdown.code(_renamed(before, after)), markdown.code(_change(before, after, short=True)))
        for before, after in found.changed
    ]
    if rows:
        parts.append(markdown.table(("", "What", "Digest"), rows))
    parts += [markdown.text(line) for line in _weights(found)]
    return "\n\n".join(parts) + "\n"


def _record(found: Comparison) -> dict[str, object]:
    return {
        "version": 1,
        "old": _side(found.old),
        "new": _side(found.new),
        "same": found.is_same,
        "added": [_entry(one) for one in found.added],
        "removed": [_entry(one) for one in found.removed],
        "changed": [{"old": _entry(old), "new": _entry(new)} for old, new in found.changed],
        "unchanged": found.unchanged,
        "deltaBytes": found.delta_bytes,
    }


def _side(side: Side) -> dict[str, object]:
    return {"file": side.title, "product": side.product, "release": side.version, "bytes": side.total_bytes}


def _entry(one: Compared) -> dict[str, object]:
    return {
        "kind": one.kind,
        "source": one.source,
        "path": one.path,
        "digest": one.digest or None,
        "platforms": list(one.platforms),
        "bytes": one.size,
    }


def _renamed(old: Compared, new: Compared) -> str:
    if old.source == new.source:
        return new.source if old.path == new.path else f"{new.source} ({old.path} → {new.path})"
    tag = new.source.removeprefix(new.name).lstrip(":@")
    return f"{old.source} → {tag}" if tag and old.name == new.name else f"{old.source} → {new.source}"


def _change(old: Compared, new: Compared, *, short: bool = False) -> str:
    digests = [_short(one.digest) if short else one.digest for one in (old, new)]
    sizes = [one.size for one in (old, new)]
    change = " → ".join(digests) if all(digests) and digests[0] != digests[1] else digests[1]
    if sizes[0] is not None and sizes[1] is not None and sizes[0] != sizes[1]:
        change += f", {size_text(sizes[0])} → {size_text(sizes[1])}"
    if old.platforms != new.platforms and old.platforms and new.platforms:
        change += f", {' '.join(old.platforms)} → {' '.join(new.platforms)}"
    return change


def _after(one: Compared) -> str:
    return one.digest + (f", {size_text(one.size)}" if one.size is not None else "")


def _code_after(one: Compared) -> str:
    size = f" {size_text(one.size)}" if one.size is not None else ""
    return markdown.code(_short(one.digest)) + size


def _short(digest: str) -> str:
    return digest[:_SHORT_DIGEST]


def _versions(old: Side, new: Side) -> str:
    return new.version if old.version == new.version else f"{old.version} → {new.version}"


def _tally(found: Comparison) -> str:
    counts = [(len(found.added), "added"), (len(found.removed), "removed"), (len(found.changed), "changed")]
    said = ", ".join(f"{count} {word}" for count, word in counts if count) or "nothing differs"
    return f"{said}; {count_text(found.unchanged, 'entry', 'entries')} unchanged"


def _weights(found: Comparison) -> list[str]:
    new = found.new.total_bytes
    if found.delta_bytes is None or new is None:
        return (
            ["What a delta would weigh is known for bundles, and for locks with --online"] if not found.is_same else []
        )
    return [f"A full bundle holds {size_text(new)}; whoever has the old one needs {size_text(found.delta_bytes)} of it"]
