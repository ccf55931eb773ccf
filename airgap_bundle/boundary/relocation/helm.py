"""Helm: `CHART.values.yaml`, the values that let a chart ask for the images inside. The chart itself stays untouched.

The keys were found while the lock was made, where the chart could be rendered with them. A Helm values file replaces a
list whole, so the chart's own list comes with it. All of that is the word of whoever made the lock: nothing is set but
names of images, the one switch that lets them in, and lists with an image in them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airgap_bundle.boundary.relocation.output import Made, Output, Unplaced, header
from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.oci import Reference
from airgap_bundle.manifest import yamlout
from airgap_bundle.manifest.settings import Form, keys_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airgap_bundle.boundary.relocation.moves import Home, Moved, MovedChart, Moves
    from airgap_bundle.manifest.settings import Setting

_USE = "helm upgrade --install NAME CHART -f YOUR-VALUES -f CHART.values.yaml: behind all other values files"
# What does not say which of several images of a name is meant.
_WITHOUT_TAG = frozenset({Form.NAME, Form.REGISTRY, Form.REPOSITORY})
# What a file name may be long, with room for the suffix.
_MAX_NAME_CHARACTERS = 200


def helm(moves: Moves) -> Output:
    """A file for each chart that has a value to set."""
    files: list[Made] = []
    unplaced: list[Unplaced] = []
    told: set[str] = set()
    for chart, name in zip(moves.charts, _names(moves.charts), strict=True):
        overlay = _Overlay(chart, moves)
        for setting in sorted(chart.settings, key=_order):
            overlay.take(setting)
        unplaced += [Unplaced(what=f"{chart.name} {chart.tag}", why=note) for note in overlay.notes]
        told |= overlay.told
        if overlay.values:
            notes = [f"{chart.source}, version {chart.tag}", *overlay.notes, *overlay.lists]
            text = header(moves.receipts, notes)
            files.append(Made(path=f"{name}.values.yaml", data=(text + yamlout.dump(overlay.values)).encode()))
    if moves.charts:
        rest = [one for one in moves.images if str(one.source) not in told and not one.services]
        unplaced += [Unplaced(what=str(one.source), why="no value of a chart names it") for one in rest]
    return Output(files=tuple(files), unplaced=tuple(unplaced), use=_USE if files else "")


def _order(setting: Setting) -> tuple[bool, str, str]:
    """Lists first: what goes into them needs them."""
    return setting.form is not Form.LIST, setting.at, setting.form


def _names(charts: Sequence[MovedChart]) -> list[str]:
    """A file name for each chart: its own name, where there are two of them with the version, else all of it."""
    for name in (_short, _versioned):
        found = [name(chart) for chart in charts]
        if len(set(found)) == len(found):
            return found
    return [_cut(f"{chart.repository.replace('/', '_')}-{chart.tag}") for chart in charts]


def _short(chart: MovedChart) -> str:
    return _cut(chart.name)


def _versioned(chart: MovedChart) -> str:
    return _cut(f"{chart.name}-{chart.tag}")


def _cut(name: str) -> str:
    if len(name) <= _MAX_NAME_CHARACTERS:
        return name
    return f"{name[: _MAX_NAME_CHARACTERS - 13]}-{Digest.of(name.encode()).encoded[:12]}"


class _Overlay:
    """The values of one chart while they are put together."""

    def __init__(self, chart: MovedChart, moves: Moves) -> None:
        self._home: Home = moves.home
        self._by_source = {str(one.source): one for one in moves.images}
        self._by_tag = {(one.source.name, one.source.tag): one for one in moves.images if one.source.tag}
        self._by_name: dict[str, list[Moved]] = {}
        for one in moves.images:
            self._by_name.setdefault(one.source.name, []).append(one)
        self._guessed = False
        self._places = [one.at for one in chart.settings if one.form not in {Form.LIST, Form.FIXED, Form.TRUE}]
        self.lists: list[str] = []
        self.values: dict[str, Any] = {}
        self.told: set[str] = set()
        self._notes: dict[str, None] = {}
        if not chart.settings:
            self._note("nothing is known of its values: its lock is of an earlier version, or did not look for images")

    @property
    def notes(self) -> list[str]:
        """What cannot be set, and what was not tried."""
        guessed = "not all of these keys were tried by rendering it: look at what helm template says"
        return [*self._notes, *([guessed] if self._guessed else [])]

    def take(self, setting: Setting) -> None:
        """One setting."""
        if setting.form is Form.FIXED:
            self._note(f"no value sets {setting.text}, which {setting.at} names")
            moved = self._moved(setting)
            self.told |= {str(moved.source)} if moved else set()
            return
        keys = keys_of(setting.at)
        if setting.form is Form.LIST:
            self._take_list(setting, keys)
        elif setting.form is Form.TRUE:
            self._set(keys, True)  # noqa: FBT003 - the value that the chart gets
        else:
            moved = self._moved(setting)
            if moved is None:
                self._note(f"{'.'.join(keys)} names {setting.text}, which did not travel")
                return
            self._guessed |= not setting.proof
            self.told.add(str(moved.source))
            if setting.form is Form.TAG and not (moved.tag and setting.proof):
                # It came in by its digest alone, or nobody has tried it: the chart's own tag stays.
                return
            self._set(keys, self._value(setting.form, moved))

    def _take_list(self, setting: Setting, keys: tuple[str, ...]) -> None:
        """A list, if an image goes into it; whoever uses the file is told what else it replaces."""
        if any(at.startswith(f"{setting.at}/") for at in self._places):
            self._set(keys, setting.items())
            self.lists.append(f"{'.'.join(keys)} is written whole, as the lock has it: compare it with the chart's own")

    def _value(self, form: Form, moved: Moved) -> str:
        return {
            Form.REFERENCE: moved.pinned,
            Form.TAGGED: moved.tagged,
            Form.NAME: moved.name,
            Form.REGISTRY: self._home.host,
            Form.REPOSITORY: moved.repository,
            Form.TAG: f"{moved.tag}@{moved.digest}",
            Form.DIGEST: str(moved.digest),
        }[form]

    def _moved(self, setting: Setting) -> Moved | None:
        """The image that is meant: the same reference, else the same name and tag.

        Where the template adds the tag, the only image of that name does as well.
        """
        if setting.text in self._by_source:
            return self._by_source[setting.text]
        try:
            reference = Reference.parse(setting.text)
        except InvalidValueError:
            return None
        found = self._by_tag.get((reference.name, reference.tag)) if reference.tag else None
        same = self._by_name.get(reference.name, []) if setting.form in _WITHOUT_TAG else []
        return found or (same[0] if len(same) == 1 else None)

    def _set(self, keys: tuple[str, ...], value: object) -> None:
        """Put a value into place; maps are made on the way, lists have to be there."""
        here: Any = self.values
        for number, key in enumerate(keys):
            is_last = number == len(keys) - 1
            if isinstance(here, list):
                if not key.isascii() or not key.isdigit() or int(key) >= len(here):
                    break
                position: Any = int(key)
                below = here[position]
            elif isinstance(here, dict):
                position, below = key, here.get(key)
            else:
                break
            if is_last:
                here[position] = value
                return
            if below is None:
                below = here[position] = {}
            here = below
        self._note(f"{'.'.join(keys)} cannot be set: something else stands on the way to it")

    def _note(self, text: str) -> None:
        self._notes[text] = None
