"""What a bundle holds, as values that any bill of materials can be made from.

Everything in it but the times and digests is text from outside. `encode` makes it JSON in ASCII, in which no text can
do harm; what the texts claim is as true as the inventory that they come from.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping, Sequence

    from airgap_bundle.core.content import Digest
    from airgap_bundle.core.oci import Reference

TOOL = "airgap-bundle"
_TIME = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One thing in a bundle.

    `kind` is `image`, `chart`, `artifact`, `attached` (signatures, attestations, SBOMs) or `file`. `source` is the name
    it had outside, in full; `reference` the same as a reference, where it came from a registry. `subject` is what
    something attached is about. `verdicts` are the upstream signatures that were checked.
    """

    kind: str
    source: str
    digest: Digest
    size: int
    media_type: str
    reference: Reference | None = None
    version: str = ""
    path: str = ""
    platforms: tuple[str, ...] = ()
    subject: Digest | None = None
    verdicts: tuple[Mapping[str, str], ...] = ()

    @property
    def name(self) -> str:
        """Without tag and digest."""
        return self.reference.name if self.reference is not None else self.source

    @property
    def purl(self) -> str:
        """The package URL: what scanners and databases know it by."""
        checksum = quote(self.digest, safe="")
        if self.reference is None:
            last = quote(self.source.rstrip("/").rpartition("/")[2], safe="") or "unnamed"
            return f"pkg:generic/{last}?checksum={checksum}"
        last = self.reference.repository.rpartition("/")[2]
        tag = f"&tag={quote(self.reference.tag, safe='')}" if self.reference.tag else ""
        return f"pkg:oci/{last}@{checksum}?repository_url={quote(self.reference.name, safe='/:')}{tag}"

    @property
    def notes(self) -> Mapping[str, Sequence[str]]:
        """What no bill of materials has a field for, by name; empty ones are left out."""
        notes = {
            "kind": [self.kind],
            "source": [self.source],
            "path": [self.path],
            "mediaType": [self.media_type],
            "size": [str(self.size)],
            "platform": self.platforms,
            "subject": [self.subject or ""],
            "upstream": [json.dumps(dict(verdict), sort_keys=True) for verdict in self.verdicts],
        }
        return {name: [text for text in texts if text] for name, texts in notes.items()}


@dataclass(frozen=True, kw_only=True, slots=True)
class Bill:
    """A bundle with its parts, in the order of its inventory. `tool_version` is that of this program."""

    name: str
    version: str
    bundle_id: Digest
    created: dt.datetime
    tool_version: str
    verified: bool
    parts: tuple[Part, ...] = field(repr=False)

    @property
    def serial(self) -> uuid.UUID:
        """The same for the same bundle, whoever makes the bill and when."""
        return uuid.uuid5(uuid.NAMESPACE_URL, f"{TOOL}:{self.bundle_id}")

    @property
    def moment(self) -> str:
        """When the bundle's lock was made, UTC: a bill has no time of its own."""
        return self.created.strftime(_TIME)

    @property
    def notes(self) -> Mapping[str, Sequence[str]]:
        """As those of a part."""
        return {"bundleId": [self.bundle_id], "verified": ["true" if self.verified else "false"]}


def numbered(parts: Iterable[Part]) -> list[tuple[str, Part]]:
    """Each part with a name that nothing else has and that says nothing: texts from outside make no identifiers."""
    return [(f"part-{number}", part) for number, part in enumerate(parts, 1)]


def encode(document: Mapping[str, object]) -> str:
    """The document as text: sorted keys, two spaces, ASCII, a line feed at the end."""
    return json.dumps(document, sort_keys=True, indent=2, allow_nan=False) + "\n"
