"""What is kept of a publisher's signature that the policy demanded and that held: in verdicts, plans and receipts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import InvalidValueError

if TYPE_CHECKING:
    from airgap_bundle.core.content import Digest
    from airgap_bundle.core.fields import Fields

# An identity has 512 characters at most, a name outside 1,024, and a reason for keeping longer ones nobody.
_MAX_TEXT_CHARACTERS = 4096
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True, kw_only=True, slots=True)
class UpstreamVerdict:
    """A demand that was met: for which item, over which digest, by whom, and by which signature of the bundle.

    `match` is the pattern of the demand, `digest` that of the item or of the index that the item is a part of,
    `signature` the image manifest that holds the signature, or the provenance file of a chart. `issuer` is "" for keys.
    """

    source: str
    match: str
    by: str
    issuer: str
    how: str
    digest: Digest
    signature: Digest

    def __post_init__(self) -> None:
        """One line of text each: a control character would forge a line where somebody prints it."""
        for text in (self.source, self.match, self.by, self.issuer, self.how):
            if len(text) > _MAX_TEXT_CHARACTERS or _CONTROL.search(text):
                raise InvalidValueError(f"not one line of at most {_MAX_TEXT_CHARACTERS} characters: {text[:80]!r}")

    @property
    def record(self) -> dict[str, str]:
        """The JSON object."""
        return {
            "source": self.source,
            "match": self.match,
            "by": self.by,
            "issuer": self.issuer,
            "how": self.how,
            "digest": self.digest,
            "signature": self.signature,
        }

    @classmethod
    def read(cls, fields: Fields) -> UpstreamVerdict:
        """The value of such an object."""
        return cls(
            source=fields.text("source"),
            match=fields.text("match"),
            by=fields.text("by"),
            issuer=fields.text("issuer"),
            how=fields.text("how"),
            digest=fields.digest("digest"),
            signature=fields.digest("signature"),
        )
