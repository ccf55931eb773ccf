"""What a rule is: a code, a title, how bad it is, and a function from a manifest to problems."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airgap_bundle.core.report import Finding, Place, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from airgap_bundle.manifest.entries import Entry
    from airgap_bundle.manifest.locked import Lock
    from airgap_bundle.manifest.model import Manifest


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """An image or a risk that discovery saw in a chart or workload of the manifest.

    `entry` is that chart or workload; `name` the image in full, or the kind of risk; `where` the place inside it.
    """

    entry: Entry
    name: str
    where: str
    message: str = ""
    certain: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """What rules look at.

    `lock` is None where none was made yet; `now` is None where the clock is not to be asked. `base` is the manifest as
    it was before a change. `seen_images` and `risks` are what discovery saw, None where it was not asked; `unseen` the
    charts that it was asked about and could not look into, with the reason. `answers` says by source what a registry
    has today: a digest, "" for nothing, None where that could not be learned. `volume_bytes` is what a medium takes,
    with the most that one file on it may have, `total_bytes` what travels. `overlay` is the file that was merged into
    the manifest, "" for none.
    """

    manifest: Manifest
    lock: Lock | None = None
    now: int | None = None
    base: Manifest | None = None
    overlay: str = ""
    allowed_registries: tuple[str, ...] = ()
    seen_images: tuple[Seen, ...] | None = None
    risks: tuple[Seen, ...] = ()
    unseen: tuple[Seen, ...] = ()
    answers: Mapping[str, str | None] = field(default_factory=dict)
    volume_bytes: int = 0
    total_bytes: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing that a rule found. `severity` is None where it is the rule's."""

    place: Place
    where: str
    message: str
    hint: str = ""
    severity: Severity | None = None

    @classmethod
    def at(cls, entry: Entry, message: str, *, hint: str = "", severity: Severity | None = None) -> Problem:
        """A problem of an entry."""
        return cls(place=entry.place, where=entry.where, message=message, hint=hint, severity=severity)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """A rule of `airgap-manifest check`. `offline` rules need nothing but the manifest and the files beside it.

    The code is stable, and so is the page `pages/<code>.md` that `explain` prints.
    """

    code: str
    title: str
    severity: Severity
    check: Callable[[Context], Iterable[Problem]]
    offline: bool = True

    def findings(self, context: Context) -> Iterator[Finding]:
        """Run the rule."""
        for problem in self.check(context):
            yield Finding(
                code=self.code,
                severity=problem.severity or self.severity,
                message=problem.message,
                place=problem.place,
                path=problem.where,
                hint=problem.hint,
            )
