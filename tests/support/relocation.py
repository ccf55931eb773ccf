"""Receipts and moves for the formats of `relocate`, without an import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.receipts import digest, item, receipt

from airgap_bundle.boundary.relocation.moves import Home, Moves, collect

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airgap_bundle.boundary.receipts.receipt import ReceiptItem
    from airgap_bundle.boundary.relocation.output import Made, Output

HOME = Home(host="registry.internal:5000", prefix="mirror")


def image(source: str, path: str = "", **changes: Any) -> ReceiptItem:
    """An image by its reference outside; `path` where it did not go where it goes by itself."""
    name, _, tag = source.partition("@")[0].partition(":") if source.count(":") < 2 else source.rpartition(":")
    values = {"source": source, "path": path or name.replace(":", "_"), "tag": tag, "digest": digest(source)}
    return item(**values | changes)


def moves(*items: ReceiptItem, home: Home = HOME, **changes: Any) -> Moves:
    """What a receipt of these items says."""
    return collect([receipt(items=items, **changes)], home)


def texts(files: Iterable[Made]) -> dict[str, str]:
    """Files as text, by path."""
    return {made.path: made.data.decode() for made in files}


def one_text(output: Output) -> str:
    """The only file."""
    (text,) = texts(output.files).values()
    return text
