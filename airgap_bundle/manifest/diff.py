"""What differs between two manifests, locks or bundles, for a review. Values only.

An entry is the same one if it has the same kind and reference, or, where the tag changed, the same kind and name and
is the only one of that name left on both sides.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airgap_bundle.core.oci import bare_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airgap_bundle.manifest.locked import Lock
    from airgap_bundle.manifest.model import Manifest


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """One thing that travels, as one side has it. `digest` is "" and `size` None where that side does not know."""

    kind: str
    source: str
    path: str = ""
    digest: str = ""
    platforms: tuple[str, ...] = ()
    size: int | None = None

    @property
    def name(self) -> str:
        """The source without tag and digest."""
        return bare_name(self.source)


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """One of the two. `blobs` are sizes by digest, None where they are not known."""

    title: str
    product: str
    version: str
    entries: tuple[Compared, ...]
    blobs: Mapping[str, int] | None = field(default=None, repr=False)

    @property
    def total_bytes(self) -> int | None:
        """All blobs together."""
        return sum(self.blobs.values()) if self.blobs is not None else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """The difference. `delta_bytes` is what has to travel to somebody who has the old side."""

    old: Side
    new: Side
    added: tuple[Compared, ...]
    removed: tuple[Compared, ...]
    changed: tuple[tuple[Compared, Compared], ...]
    unchanged: int
    delta_bytes: int | None = None

    @property
    def is_same(self) -> bool:
        """Whether nothing differs."""
        return not (self.added or self.removed or self.changed) and self.old.version == self.new.version


def compare(old: Side, new: Side) -> Comparison:
    """The difference, in the order of kind and name."""
    pairs, only_old, only_new = _pairs(old.entries, new.entries)
    delta = None
    if old.blobs is not None and new.blobs is not None:
        delta = sum(size for digest, size in new.blobs.items() if digest not in old.blobs)
    changed = [(before, after) for before, after in pairs if _differs(before, after)]
    return Comparison(
        old=old,
        new=new,
        added=_sorted(only_new),
        removed=_sorted(only_old),
        changed=tuple(sorted(changed, key=lambda pair: (pair[1].kind, pair[1].source))),
        unchanged=len(pairs) - len(changed),
        delta_bytes=delta,
    )


def of_manifest(manifest: Manifest) -> Side:
    """A manifest as a side: what is written in it, without digests."""
    entries = [
        Compared(kind="image", source=i.source, path=i.target[0], platforms=tuple(map(str, manifest.platforms_of(i))))
        for i in manifest.images
    ]
    entries += [Compared(kind="chart", source=one.source, path=one.target[0]) for one in manifest.charts]
    entries += [Compared(kind="artifact", source=one.source, path=one.target[0]) for one in manifest.artifacts]
    entries += [Compared(kind="file", source=one.source, path=one.name) for one in manifest.files]
    entries += [Compared(kind="workload", source=one.path, path=one.kind) for one in manifest.workloads]
    return Side(title=manifest.file, product=manifest.name, version=manifest.version, entries=tuple(entries))


def of_lock(lock: Lock, title: str) -> Side:
    """A lock as a side."""
    entries = tuple(
        Compared(
            kind=item.kind,
            # A file is known by the name that it has in the bundle.
            source=item.path if item.kind == "file" else item.source,
            path=item.path,
            digest=str(item.digest),
            platforms=tuple(str(one.platform) for one in item.platforms if not one.platform.is_unknown),
            size=item.size if item.kind == "file" else None,
        )
        for item in lock.items
    )
    return Side(title=title, product=lock.name, version=lock.version, entries=entries)


def _pairs(
    old: Iterable[Compared], new: Iterable[Compared]
) -> tuple[list[tuple[Compared, Compared]], list[Compared], list[Compared]]:
    left = {(one.kind, one.source, one.path): one for one in old}
    right = {(one.kind, one.source, one.path): one for one in new}
    pairs = [(left.pop(key), right.pop(key)) for key in list(left) if key in right]
    for same_path in (True, False):
        olds, news = _grouped(left.values(), same_path=same_path), _grouped(right.values(), same_path=same_path)
        for name, before in olds.items():
            after = news.get(name, [])
            if len(before) == len(after) == 1:
                pairs.append((before[0], after[0]))
                left.pop((before[0].kind, before[0].source, before[0].path))
                right.pop((after[0].kind, after[0].source, after[0].path))
    return pairs, list(left.values()), list(right.values())


def _grouped(entries: Iterable[Compared], *, same_path: bool) -> dict[tuple[str, str, str], list[Compared]]:
    groups: dict[tuple[str, str, str], list[Compared]] = {}
    for one in entries:
        groups.setdefault((one.kind, one.name, one.path if same_path else ""), []).append(one)
    return groups


def _differs(before: Compared, after: Compared) -> bool:
    if (before.source, before.path) != (after.source, after.path):
        return True
    if before.digest and after.digest:
        return before.digest != after.digest
    return bool(not before.digest and not after.digest and before.platforms != after.platforms)


def _sorted(entries: Iterable[Compared]) -> tuple[Compared, ...]:
    return tuple(sorted(entries, key=lambda one: (one.kind, one.source, one.path)))
