"""Tries the values that may say where images come from: a chart rendered with them has to ask for what they say.

Each candidate gets a host of its own that exists nowhere, so one rendering tells of all of them at once. What comes out
otherwise than it should is tried in the next shape; what no shape moves is named as fixed.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.discovery import helm_needs, key_marks, rendering
from airgap_bundle.discovery.helm_program import coalesced
from airgap_bundle.discovery.key_marks import Mark
from airgap_bundle.discovery.plain import plain_values
from airgap_bundle.discovery.tracing import Tracer
from airgap_bundle.discovery.value_keys import candidates
from airgap_bundle.discovery.values import STUB, get, merged
from airgap_bundle.discovery.walk import Walk
from airgap_bundle.manifest.looseyaml import parse_stream
from airgap_bundle.manifest.settings import ALLOWING, MAX_KEYS, Form, Setting, pointer

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from airgap_bundle.core.oci import Reference
    from airgap_bundle.discovery.chart import Chart
    from airgap_bundle.discovery.sweep import Sweep
    from airgap_bundle.discovery.value_keys import Candidate, Path, Shape
    from airgap_bundle.discovery.walk import Spotted

# A candidate has 23 shapes at most, and may be tried twice; each rendering takes a third of a second.
_MAX_ROUNDS = 48
# With every switch of a large chart a rendering takes some seconds. What was not tried is a guess.
_MAX_SECONDS = 60.0
# When a chart does not render any more, the culprit is looked for one by one; of a larger chart nothing is proved then.
_MAX_ALONE = 40
# What one rendering may take here.
_SECONDS = 20.0
# Bitnami's charts refuse images that are not theirs unless this is set.
_RENDERED = "rendered"


def find_settings(chart: Chart, values: Sequence[str], known: Collection[Reference]) -> tuple[Setting, ...]:
    """What has to be set so that the chart asks for its images elsewhere. `values` are texts of values files.

    `known` are the images that travel. Without Helm, or where the chart does not render, nothing is proved.
    """
    base = rendering.render(chart, values, seconds=_SECONDS, only_base=True)
    asked = list(_asked(base)) if base is not None and not base.trouble else []
    own = coalesced(chart)
    seen = own
    for text in values:
        for document in parse_stream(text, "values").documents[:1]:
            seen = merged(seen, plain_values(document))
    sources = helm_needs.template_sources(chart)
    images = {one.reference for one in asked} | set(known)
    trial = _Trial(chart, values, seen, own, [_Entry(one) for one in candidates(seen, sources, images)])
    if base is not None:
        # What the chart demands, or cannot render, in any case says nothing about a value.
        trial.broken = frozenset((*base.stubs, *(template for template, _ in base.dropped)))
    if base is None or base.trouble:
        return trial.guesses(known)
    return trial.run(known)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    reference: Reference
    template: str
    lines: list[str]
    spotted: Spotted
    is_switch: bool


def _asked(sweep: Sweep) -> Iterator[_Asked]:
    """Every image that a rendering names, and where."""
    for rendered in sweep.rendered:
        lines = rendered.text.split("\n")
        walk = Walk()
        for document in parse_stream(rendered.text, rendered.template).documents:
            walk.document(document)
        for spotted in walk.spotted:
            if STUB not in spotted.written and spotted.certainty.rank == 0:
                yield _Asked(
                    reference=spotted.reference,
                    template=rendered.template,
                    lines=lines,
                    spotted=spotted,
                    is_switch=bool(rendered.switch),
                )


@dataclass(slots=True)
class _Entry:
    """A candidate and the shape that it is tried in.

    `is_seen`: the rendering names what was set. `is_proved`: so did that of the chart as it is. `is_unused`: nothing
    that was set shows up.
    """

    candidate: Candidate
    number: int = 0
    is_seen: bool = False
    is_proved: bool = False
    is_unused: bool = False

    @property
    def shape(self) -> Shape | None:
        return self.candidate.shapes[self.number] if self.number < len(self.candidate.shapes) else None


class _Trial:
    def __init__(
        self,
        chart: Chart,
        values: Sequence[str],
        seen: Mapping[str, Any],
        own: Mapping[str, Any],
        entries: list[_Entry],
    ) -> None:
        self._chart = chart
        self._values = values
        self._seen = seen
        self._own = own
        self._entries = [entry for entry in entries if self._is_possible(entry.candidate.at)]
        self._allows = False
        self.broken: frozenset[str] = frozenset()

    def guesses(self, known: Collection[Reference]) -> tuple[Setting, ...]:
        """What looks right, where nothing can be rendered."""
        for entry in self._entries:
            entry.is_seen = entry.is_proved
        return tuple(self._settings(known))

    def run(self, known: Collection[Reference]) -> tuple[Setting, ...]:
        """Try until everything comes out as it should, or nothing is left to try."""
        wanted = {reference.name for reference in known}
        only_base = True
        deadline = time.monotonic() + _MAX_SECONDS
        for _ in range(_MAX_ROUNDS):
            if time.monotonic() > deadline:
                break
            sweep = self._render(self._entries, only_base=only_base)
            fails = self._fails(sweep)
            if fails and not self._allows and get(self._seen, ALLOWING) is not None:
                self._allows = True
            elif fails:
                if not self._blame():
                    return self.guesses(known)
            elif self._judge(sweep):
                unseen = {entry.candidate.image.name for entry in self._entries if entry.shape and not entry.is_seen}
                if only_base and (unseen & wanted or wanted - self._named()):
                    # What travels though the chart as it is does not ask for it comes with a switch.
                    only_base = False
                    for entry in self._entries:
                        entry.is_proved, entry.is_unused = entry.is_seen, False
                    continue
                return (*self._settings(known), *self._fixed(sweep, wanted))
        return self.guesses(known)

    def _named(self) -> set[str]:
        """The images that have a place in the values."""
        return {entry.candidate.image.name for entry in self._entries if entry.shape is not None}

    def _blame(self) -> bool:
        """Next shapes for those with which alone the chart does not render; whether any was found."""
        tried = [entry for entry in self._entries if entry.shape is not None]
        found = False
        for entry in tried if len(tried) <= _MAX_ALONE else ():
            if self._fails(self._render([entry])):
                entry.number += 1
                found = True
        return found

    def _fails(self, sweep: Sweep) -> bool:
        """Whether something cannot be rendered, or is demanded, that is not without our values."""
        return bool(sweep.trouble) or not {*sweep.stubs, *(template for template, _ in sweep.dropped)} <= self.broken

    def _render(self, entries: Sequence[_Entry], *, only_base: bool = True) -> Sweep:
        overlay = json.dumps(self._overlay(entries))
        sweep = rendering.render(self._chart, [*self._values, overlay], seconds=_SECONDS, only_base=only_base)
        if sweep is None:  # pragma: no cover - Helm was here a moment ago
            raise AssertionError(self._chart.name)
        return sweep

    def _overlay(self, entries: Sequence[_Entry]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for entry in entries:
            for at, form in entry.shape or ():
                _put(result, at, self._text(entry, form), self._seen)
        if self._allows:
            _put(result, ALLOWING, True, self._seen)  # noqa: FBT003 - the value that the chart gets
        return result

    def _host(self, entry: _Entry) -> str:
        """A host that tells the candidates apart; one for all where they share the value of the registry."""
        registry = next((at for at, form in entry.shape or () if form is Form.REGISTRY), None)
        if registry is not None and registry[:-1] != entry.candidate.at[:-1]:
            return key_marks.SHARED_HOST
        return f"c{self._entries.index(entry)}.{key_marks.ZONE}"

    def _text(self, entry: _Entry, form: Form) -> str:
        return key_marks.text(form, self._host(entry), entry.candidate.image)

    def _judge(self, sweep: Sweep) -> bool:
        """Whether all came out as they should; the next shape for those that did not."""
        text = "\n".join(rendered.text for rendered in sweep.rendered)
        if self._leaking(text):
            # What else came out of it says nothing about the others.
            return False
        fine = True
        for entry in self._entries:
            # What a switch does to a name (`-chroot`) says nothing against a value that holds without it.
            if entry.shape is None or entry.is_proved or entry.is_unused:
                continue
            forms = {form for _, form in entry.shape}
            found = key_marks.look(text, self._host(entry), entry.candidate.image, forms)
            entry.is_seen = found is Mark.FITS
            if found is Mark.ABSENT and Form.REGISTRY not in forms:
                # The whole name was set, and nobody asks for it.
                entry.is_unused, entry.number = True, 0
            elif found is not Mark.FITS:
                entry.number += 1
                fine = False
        return fine

    def _leaking(self, text: str) -> bool:
        """Next shapes for those whose tag with a digest shows up elsewhere; whether there are any."""
        leaking = [
            entry
            for entry in self._entries
            if entry.shape is not None
            and key_marks.leaks(text, entry.candidate.image, {form for _, form in entry.shape})
        ]
        for entry in leaking:
            entry.number += 1
            entry.is_seen = entry.is_proved = False
        return bool(leaking)

    def _settings(self, known: Collection[Reference]) -> Iterator[Setting]:
        """What was found. What no rendering named is kept where its image travels: a switch may bring it."""
        travelling = {reference.name for reference in known}
        lists: set[Path] = set()
        used = False
        for entry in self._entries:
            image = entry.candidate.image
            if entry.shape is None or not (entry.is_seen or image.name in travelling):
                continue
            proof = _RENDERED if entry.is_seen else ""
            # A digest behind a tag would break what nobody rendered.
            shape = [(at, form) for at, form in entry.shape if proof or form is not Form.TAG]
            try:
                found = [Setting(at=pointer(at), form=form, text=str(image), proof=proof) for at, form in shape]
            except InvalidValueError:
                # A key that does not show, or one that is longer than any text may be.
                continue
            used = True
            yield from found
            lists |= {root for at, _ in entry.shape if (root := _list_root(at)) is not None}
        for root in sorted(lists, key=str):
            yield Setting(at=pointer(root), form=Form.LIST, text=_json(_at(self._own, root)))
        if used and self._allows:
            yield Setting(at=pointer(ALLOWING), form=Form.TRUE, proof=_RENDERED)

    def _fixed(self, sweep: Sweep, wanted: set[str]) -> Iterator[Setting]:
        """Images that are still asked for where they were: by the chart as it is, or of those that travel."""
        templates = {path: text for one in self._chart.everywhere() for path, text in one.templates.items()}
        tracer = Tracer(templates, {})
        told: set[str] = set()
        for one in _asked(sweep):
            image = str(one.reference)
            by_switch = one.is_switch and one.reference.name not in wanted
            if key_marks.ZONE not in one.reference.host and image not in told and not by_switch:
                told.add(image)
                where = tracer.where(one.template, one.lines, one.spotted)
                yield Setting(at=where, form=Form.FIXED, text=image, proof=_RENDERED)

    def _is_possible(self, at: Path) -> bool:
        """A list is carried whole, so it has to be the chart's own, and short enough."""
        if len(at) > MAX_KEYS:
            return False
        root = _list_root(at)
        if root is None:
            return True
        own = _at(self._own, root)
        try:
            Setting(at=pointer(root), form=Form.LIST, text=_json(own))
        except (InvalidValueError, TypeError):
            return False
        return bool(own == _at(self._seen, root))


def _list_root(at: Path) -> Path | None:
    """The path of the outermost list on the way."""
    number = next((n for n, part in enumerate(at) if isinstance(part, int)), None)
    return at[:number] if number is not None else None


def _at(values: Any, at: Path) -> Any:
    for part in at:
        if isinstance(part, int):
            values = values[part] if isinstance(values, list) and part < len(values) else None
        else:
            values = values.get(part) if isinstance(values, dict) else None
    return values


def _put(result: dict[str, Any], at: Path, value: object, seen: Mapping[str, Any]) -> None:
    """Set a value; a list on the way is copied whole from what the chart sees."""
    here: Any = result
    for number, part in enumerate(at[:-1]):
        following = at[number + 1]
        missing = here.get(part) is None if isinstance(part, str) else False
        if missing:
            here[part] = json.loads(_json(_at(seen, at[: number + 1]))) if isinstance(following, int) else {}
        here = here[part]
    here[at[-1]] = value


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True)
