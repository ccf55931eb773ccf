"""A JSON object of ours, taken apart field by field: each must be there, of its type, and nothing may be left over.

For documents that came from a file, a database or a registry and are not believed yet. Complaints name the place
inside the document (`items[2].digest`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, TypeVar

from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.moments import parse_moment

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from types import TracebackType

Built = TypeVar("Built")


class Fields:
    """One object. Used as a context: leaving it without an error checks that every field was asked for."""

    def __init__(self, value: object, place: str = "") -> None:
        if not isinstance(value, dict):
            raise InvalidValueError(f"{place or 'the document'} is not an object")
        self._left: dict[str, Any] = dict(value)
        self._place = place

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Refuse what nobody asked for, unless something else is wrong already."""
        if kind is None and self._left:
            names = ", ".join(repr(name[:80]) for name in sorted(self._left)[:5])
            raise InvalidValueError(f"{self._place or 'the document'} has fields that are not known: {names}")

    def has(self, key: str) -> bool:
        """Whether a field that may be missing is there."""
        return key in self._left

    def text(self, key: str) -> str:
        """A string."""
        value = self._take(key)
        if not isinstance(value, str):
            raise InvalidValueError(f"{self._at(key)} is not a string")
        return value

    def number(self, key: str) -> int:
        """An integer that is not negative."""
        value = self._take(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise InvalidValueError(f"{self._at(key)} is not an integer of 0 or more")
        return value

    def flag(self, key: str) -> bool:
        """True or false."""
        value = self._take(key)
        if not isinstance(value, bool):
            raise InvalidValueError(f"{self._at(key)} is neither true nor false")
        return value

    def digest(self, key: str) -> Digest:
        """A digest."""
        try:
            return Digest(self.text(key))
        except InvalidValueError as error:
            raise InvalidValueError(f"{self._at(key)}: {error}") from error

    def digest_or_none(self, key: str) -> Digest | None:
        """A digest, or None for the empty string."""
        if self._left.get(key) == "":
            self._take(key)
            return None
        return self.digest(key)

    def moment(self, key: str) -> datetime:
        """A moment in UTC."""
        try:
            return parse_moment(self.text(key))
        except InvalidValueError as error:
            raise InvalidValueError(f"{self._at(key)}: {error}") from error

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings."""
        value = self._list(key)
        if not all(isinstance(one, str) for one in value):
            raise InvalidValueError(f"{self._at(key)} is not a list of strings")
        return tuple(value)

    def text_map(self, key: str) -> dict[str, str]:
        """An object whose values are strings."""
        value = self._take(key)
        if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
            raise InvalidValueError(f"{self._at(key)} is not a map of strings")
        return value

    def number_map(self, key: str) -> dict[str, int]:
        """An object whose values are integers that are not negative."""
        value = self._take(key)
        if not isinstance(value, dict) or not all(type(one) is int and one >= 0 for one in value.values()):
            raise InvalidValueError(f"{self._at(key)} is not a map of integers of 0 or more")
        return value

    def inner(self, key: str, build: Callable[[Fields], Built]) -> Built:
        """What `build` makes of the object under `key`."""
        return _build(self._take(key), self._at(key), build)

    def each(self, key: str, build: Callable[[Fields], Built]) -> tuple[Built, ...]:
        """What `build` makes of each object of a list."""
        return tuple(_build(value, f"{self._at(key)}[{n}]", build) for n, value in enumerate(self._list(key)))

    def forget(self) -> None:
        """Let the rest be, known or not: the document is looked at in part."""
        self._left.clear()

    def _list(self, key: str) -> list[Any]:
        value = self._take(key)
        if not isinstance(value, list):
            raise InvalidValueError(f"{self._at(key)} is not a list")
        return value

    def _take(self, key: str) -> object:
        if key not in self._left:
            raise InvalidValueError(f"{self._at(key)} is missing")
        return self._left.pop(key)

    def _at(self, key: str) -> str:
        return f"{self._place}.{key}" if self._place else key


def _build(value: object, place: str, build: Callable[[Fields], Built]) -> Built:
    try:
        with Fields(value, place) as fields:
            return build(fields)
    except InvalidValueError as error:
        # What the fields say themselves has the place already; what a value says of itself has not.
        if str(error).startswith(place):
            raise
        raise InvalidValueError(f"{place}: {error}") from error
