"""Reads what a delta is built against, recognised by its content: a receipt, holdings, or a bundle in any form.

Receipts and holdings come out of the inside, on a medium that others may have had. They are read strictly: JSON as we
write it, within limits, every field that is used checked. That says nothing about whether they are true, and a
signature beside a receipt is not looked at: the outside has no policy, and the import proves again what is there.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from airgap_bundle.bundle.inventory import BlobEntry, check_product
from airgap_bundle.bundle.media import FileMedium
from airgap_bundle.bundle.reader import read_head, read_inventory
from airgap_bundle.core import strictjson
from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import BundleError, DocumentError, InvalidValueError, UsageError
from airgap_bundle.core.fields import Fields
from airgap_bundle.core.text import printable
from airgap_bundle.transfer.bases import HOLDINGS_TYPE, RECEIPT_TYPE, Base, BaseKind, EarlierBundle, Held
from airgap_bundle.transfer.opening import STANDARD_INPUT, open_bundle
from airgap_bundle.transfer.remote.spelling import is_address

if TYPE_CHECKING:
    from collections.abc import Iterable

# As much as a receipt may have: a list of 250,000 blobs has 27 MB.
MAX_BASE_BYTES = 64 * 1024 * 1024
# Longer than any destination or version that the inside writes; not a document.
_MAX_TEXT = 4096
_MAX_NAME = 160


def read_bases(names: Iterable[str]) -> tuple[Base, ...]:
    """Read each base. What names nothing is a `UsageError`, what holds something else a `DocumentError`."""
    return tuple(_read_base(name) for name in names)


def _read_base(name: str) -> Base:
    if name == STANDARD_INPUT:
        raise UsageError(
            "AB-USAGE-BASE",
            "a base is not read from standard input",
            hint="name its file: a receipt, holdings, or a bundle",
        )
    path = Path(name)
    if is_address(name) or not path.is_file():
        # A directory of volumes, a URL, nothing at all: whoever opens bundles knows what to say.
        return _read_bundle(name)
    with closing(FileMedium(path)) as medium:
        first = memoryview(bytearray(1))
        # A bundle begins with the name of its first member.
        is_json = medium.read_at(0, first) and bytes(first) == b"{"
        raw = _read_whole(medium) if is_json else b""
    if not is_json:
        return _read_bundle(name)
    try:
        return _parse(raw, name)
    except InvalidValueError as error:
        raise DocumentError(
            "AB-BASE-INVALID",
            f"the base {printable(name[:_MAX_NAME])} cannot be used: {error}",
            hint="give it exactly as the inside wrote it: receipts/ID.json, or what airgap-import holdings -o wrote",
        ) from error


def _read_whole(medium: FileMedium) -> bytes:
    """As much as may be read: one byte more than a document may have is refused by whoever parses it."""
    data = bytearray(min(medium.size or 0, MAX_BASE_BYTES + 1))
    window, done = memoryview(data), 0
    while done < len(data) and (count := medium.read_at(done, window[done:])):
        done += count
    return bytes(window[:done])


def _parse(raw: bytes, name: str) -> Base:
    value = strictjson.parse_object(raw, max_bytes=MAX_BASE_BYTES)
    kind = value.get("_type")
    if kind not in {RECEIPT_TYPE, HOLDINGS_TYPE}:
        _unknown(name, f"it is of the type {kind[:_MAX_NAME]!r}" if isinstance(kind, str) else "it says no type")
    # Holdings end with a line feed, receipts do not; an editor or a transfer may have added or removed one.
    if strictjson.canonical(value) != raw.removesuffix(b"\n"):
        raise InvalidValueError("it is not in canonical form, so somebody has edited it")
    if kind == RECEIPT_TYPE:
        return Base(kind=BaseKind.RECEIPT, name=name, unverified_held=(_receipt(value),))
    return Base(kind=BaseKind.HOLDINGS, name=name, unverified_held=_holdings(value))


def _receipt(value: dict[str, object]) -> Held:
    """What was imported; the many fields of a receipt that say nothing about that are not looked at."""
    fields = Fields(value)
    bundle = _earlier(fields)
    came = {"pushed", "mounted", "present"}
    items = fields.each("items", _item) if fields.has("items") else ()
    listed = fields.each("content", _content) if fields.has("content") else None
    return Held(
        destination=_destination(fields),
        bundles=(bundle,),
        blobs=_blobs(blob for blobs in listed or () for blob in blobs),
        # Receipts from before they listed blobs: what is known then is which images are there.
        unlisted=frozenset(digest for digest, outcome in items if outcome in came) if listed is None else frozenset(),
    )


def _item(fields: Fields) -> tuple[Digest, str]:
    found = fields.digest("digest"), fields.text("outcome")
    fields.forget()
    return found


def _content(fields: Fields) -> tuple[BlobEntry, ...]:
    fields.text("path")
    return tuple(BlobEntry(digest=Digest(key), size=size) for key, size in fields.number_map("blobs").items())


def _holdings(value: dict[str, object]) -> tuple[Held, ...]:
    with Fields(value) as fields:
        fields.text("_type")
        fields.moment("created")
        return fields.each("destinations", _held)


def _held(fields: Fields) -> Held:
    return Held(
        destination=_destination(fields),
        bundles=fields.each("bundles", _earlier_of_holdings),
        blobs=_blobs(fields.each("blobs", _blob)),
    )


def _earlier_of_holdings(fields: Fields) -> EarlierBundle:
    fields.text("receipt")
    return _earlier(fields)


def _earlier(fields: Fields) -> EarlierBundle:
    return EarlierBundle(
        bundle_id=BlobEntry(digest=fields.digest("bundle"), size=0).digest,
        product=check_product(fields.text("product")),
        version=_line(fields, "version"),
        sequence=fields.number("sequence"),
    )


def _destination(fields: Fields) -> str:
    destination = _line(fields, "destination")
    if not destination:
        raise InvalidValueError("a destination is empty")
    return destination


def _line(fields: Fields, key: str) -> str:
    text = fields.text(key)
    if len(text) > _MAX_TEXT or printable(text) != text:
        raise InvalidValueError(f"{key} is not one line of at most {_MAX_TEXT} characters")
    return text


def _blob(fields: Fields) -> BlobEntry:
    return BlobEntry(digest=fields.digest("digest"), size=fields.number("size"))


def _blobs(blobs: Iterable[BlobEntry]) -> dict[Digest, int]:
    """By digest; `InvalidValueError` where one has two sizes."""
    sizes: dict[Digest, int] = {}
    for blob in blobs:
        if sizes.setdefault(blob.digest, blob.size) != blob.size:
            raise InvalidValueError(f"{blob.digest} has two sizes")
    return sizes


def _read_bundle(name: str) -> Base:
    """The head of a bundle: what it holds, and what it left out itself, which was there when it was imported."""
    try:
        with open_bundle(name) as opened:
            head = read_head(opened.medium)
            inventory = read_inventory(head, opened.medium.name)
    except BundleError as error:
        if error.code == "AB-BUNDLE-NOT-A-BUNDLE":
            _unknown(name, "it does not start as one of them", error)
        raise
    bundle = EarlierBundle(
        bundle_id=head.bundle_id, product=inventory.name, version=inventory.version, sequence=inventory.sequence
    )
    blobs = {blob.digest: blob.size for blob in (*inventory.blobs, *inventory.assumed)}
    return Base(kind=BaseKind.BUNDLE, name=name, unverified_held=(Held(bundles=(bundle,), blobs=blobs),))


def _unknown(name: str, why: str, cause: Exception | None = None) -> NoReturn:
    raise DocumentError(
        "AB-BASE-UNKNOWN",
        f"the base {printable(name[:_MAX_NAME])} is neither a receipt nor holdings nor a bundle: {why}",
        hint="carry out a receipt, or what airgap-import holdings -o writes, or name a bundle that was imported",
    ) from cause
