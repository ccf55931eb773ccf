"""Where everything went: the items of receipts with their old names and their new ones, as all formats need them.

A receipt is well formed and nothing more: sources in it are read as references here, strictly, and what is none has no
place in any format.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.boundary.receipts.receipt import Outcome
from airgap_bundle.boundary.relocation.output import Unplaced
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.oci import Reference, check_host, check_repository
from airgap_bundle.transfer.plan import join_repository

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airgap_bundle.boundary.receipts.receipt import Receipt, ReceiptItem
    from airgap_bundle.core.content import Digest
    from airgap_bundle.manifest.settings import Setting

# A path on a node, quoted into TOML and YAML: absolute, and nothing in it that acts.
_CA_PATH = re.compile(r"/[A-Za-z0-9._/@%+=:,~ -]{0,1023}")
# What a runtime pulls: images, and artifacts as volumes.
_PULLED = frozenset({"image", "artifact"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Home:
    """The registry inside, as clusters reach it. `ca_file` is the path on the nodes of the certificate that signed its.

    "" where the nodes trust it already.
    """

    host: str
    prefix: str = ""
    plain_http: bool = False
    ca_file: str = ""

    def __post_init__(self) -> None:
        """Check each part: all of them are written into configuration files."""
        check_host(self.host)
        if self.prefix:
            check_repository(self.prefix)
        if self.ca_file and _CA_PATH.fullmatch(self.ca_file) is None:
            raise InvalidValueError(f"not an absolute path of plain characters: {self.ca_file[:160]!r}")

    @property
    def url(self) -> str:
        """Where it is spoken to."""
        return f"{'http' if self.plain_http else 'https'}://{self.host}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Moved:
    """One image: `source` is its name outside, `repository` with `tag` and `digest` what it is in the registry inside.

    `services` are those of Compose files that asked for it, as (file, name).
    """

    source: Reference
    host: str
    repository: str
    tag: str
    digest: Digest
    kind: str = "image"
    services: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """Host and repository inside."""
        return f"{self.host}/{self.repository}"

    @property
    def tagged(self) -> str:
        """With the tag; without one, with the digest."""
        return f"{self.name}:{self.tag}" if self.tag else f"{self.name}@{self.digest}"

    @property
    def pinned(self) -> str:
        """With tag and digest: the digest says what is meant."""
        return f"{self.name}:{self.tag}@{self.digest}" if self.tag else self.tagged

    @property
    def prefix(self) -> str | None:
        """What stands before the old repository in the new one, "" for nothing; None where the new one is another."""
        if self.repository == self.source.repository:
            return ""
        return self.repository.removesuffix(tail) if self.repository.endswith(tail := self._tail) else None

    @property
    def _tail(self) -> str:
        return f"/{self.source.repository}"


@dataclass(frozen=True, kw_only=True, slots=True)
class MovedChart:
    """A chart, and which of its values name images."""

    source: str
    repository: str
    tag: str
    settings: tuple[Setting, ...]

    @property
    def name(self) -> str:
        """The chart's own name."""
        return self.repository.rpartition("/")[2]


@dataclass(frozen=True, kw_only=True, slots=True)
class Moves:
    """Everything that some receipts brought to one registry. `receipts` are their ids, `products` their products."""

    home: Home
    receipts: tuple[str, ...]
    products: tuple[str, ...]
    pulled: tuple[Moved, ...] = ()
    charts: tuple[MovedChart, ...] = ()
    others: tuple[str, ...] = ()
    unreadable: tuple[Unplaced, ...] = ()

    @property
    def images(self) -> tuple[Moved, ...]:
        """The images, without artifacts."""
        return tuple(one for one in self.pulled if one.kind == "image")

    @property
    def named_by_charts(self) -> frozenset[str]:
        """The references that values or templates of charts name."""
        return frozenset(setting.text for chart in self.charts for setting in chart.settings)


def collect(receipts: Iterable[Receipt], home: Home) -> Moves:
    """What the receipts brought, all to the same destination. Where two name the same image, the later one counts."""
    ordered = sorted(receipts, key=lambda receipt: (receipt.finished, receipt.id))
    pulled: dict[str, Moved] = {}
    charts: dict[str, MovedChart] = {}
    others: dict[str, None] = {}
    unreadable: dict[str, Unplaced] = {}
    for item in (item for receipt in ordered for item in receipt.items if item.outcome is not Outcome.SKIPPED):
        if item.kind == "chart":
            charts[item.source] = _chart(item, home)
        elif item.kind not in _PULLED:
            others[item.source] = None
        else:
            try:
                pulled[item.source] = _moved(item, home)
            except InvalidValueError as error:
                unreadable[item.source] = Unplaced(what=item.source, why=f"its name outside is no reference ({error})")
    return Moves(
        home=home,
        receipts=tuple(receipt.id for receipt in ordered),
        products=tuple(sorted({receipt.product for receipt in ordered})),
        pulled=tuple(one for _, one in sorted(pulled.items())),
        charts=tuple(one for _, one in sorted(charts.items())),
        others=tuple(sorted(others)),
        unreadable=tuple(one for _, one in sorted(unreadable.items())),
    )


def by_host(moved: Iterable[Moved]) -> Mapping[str, list[Moved]]:
    """Grouped by the host outside, in order."""
    found: dict[str, list[Moved]] = {}
    for one in moved:
        found.setdefault(one.source.host, []).append(one)
    return dict(sorted(found.items()))


def prefixes(moved: Iterable[Moved]) -> list[str]:
    """What stands before the old repositories in the new ones; the most frequent first."""
    counts: dict[str, int] = {}
    for one in moved:
        if one.prefix is not None:
            counts[one.prefix] = counts.get(one.prefix, 0) + 1
    return sorted(counts, key=lambda prefix: (-counts[prefix], prefix))


def _moved(item: ReceiptItem, home: Home) -> Moved:
    return Moved(
        source=Reference.parse(item.source),
        host=home.host,
        repository=check_repository(join_repository(home.prefix, item.path)),
        tag=item.tag,
        digest=item.digest,
        kind=item.kind,
        services=tuple((one.file, one.name) for one in item.services),
    )


def _chart(item: ReceiptItem, home: Home) -> MovedChart:
    return MovedChart(
        source=item.source,
        repository=join_repository(home.prefix, item.path),
        tag=item.tag,
        settings=item.settings,
    )
