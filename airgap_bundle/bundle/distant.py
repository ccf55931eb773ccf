"""What a medium that is not at hand can be told or asked, so that little is fetched and nobody waits in vain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from airgap_bundle.bundle.media import Medium
    from airgap_bundle.bundle.reader import BundleReader
    from airgap_bundle.core.content import Digest


@runtime_checkable
class Interruptible(Protocol):
    """A medium that lets its reader wait as long as somebody else likes: another machine, or a pipe."""

    def interrupt(self) -> None:
        """Wake up whoever waits for bytes, in any thread; none come any more."""
        ...


@runtime_checkable
class Distant(Interruptible, Protocol):
    """A medium on another machine: what is read twice is fetched twice, and what is wanted should be said before."""

    def expect(self, ranges: Iterable[tuple[int, int]]) -> None:
        """From now on only these bytes (start, end) will be read, but for a few at the front and at the end."""
        ...


@runtime_checkable
class InParts(Protocol):
    """A medium whose parts a person fetches one after another, in their order."""

    @property
    def can_pass_over(self) -> bool:
        """Whether parts that nobody reads from need not be fetched."""
        ...

    def is_at_hand(self, offset: int) -> bool:
        """Whether no other part has to be fetched to read what stands there."""
        ...


def passes_over(medium: Medium) -> bool:
    """Whether what nobody needs is better not read, although the medium cannot go back."""
    return isinstance(medium, InParts) and medium.can_pass_over


def is_within_reach(medium: Medium, offset: int) -> bool:
    """Whether nobody has to fetch another part of the medium to read what stands there."""
    return not passes_over(medium) or (isinstance(medium, InParts) and medium.is_at_hand(offset))


def expect_blobs(reader: BundleReader, digests: Iterable[Digest]) -> None:
    """Tell a medium far away which blobs will be read, and that the end of the archive will be; others need no word."""
    medium, layout = reader.medium, reader.layout
    if isinstance(medium, Distant):
        extents = (layout.extents[digest] for digest in digests)
        ranges = [(extent.header_at, extent.end) for extent in extents]
        medium.expect([*ranges, (layout.end_at, layout.total_bytes)])


def interrupting(medium: Medium) -> Callable[[], None]:
    """What ends every wait for this medium, from any thread; nothing where nobody waits long."""
    return medium.interrupt if isinstance(medium, Interruptible) else _nothing


def _nothing() -> None:
    """There is nobody to wake."""
