"""Renders a chart as it is, and once more for every switch; the part that does not know how rendering is done."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from airgap_bundle.discovery.stubs import proposals
from airgap_bundle.discovery.switches import Switch, switches
from airgap_bundle.discovery.values import Keys, merged, nested, spelled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# A rendering takes 5 to 80 ms. The largest public chart has 500 switches.
MAX_RENDERINGS = 1_500
# fusionauth demands four values; a chart that wants more than this is asked for its values file.
_MAX_STUBS = 30
_MAX_STUBS_FOR_A_SWITCH = 3
# Halvings when everything is on at once and the chart does not want that.
_MAX_TOGETHER = 24
_MAX_DROPPED = 10
# A line that may hold an image, or the map of one.
_TELLING = re.compile(r"[iI][mM][aA][gG][eE]|[A-Za-z0-9]/[\w./-]+:[A-Za-z0-9]|@sha256:|repository|[tT]ag:|digest")
# How many unlikely switches are turned at once, to see whether any of them brings anything.
_GROUP = 6
# Some charts write the time into every pod, so that each rendering is a new one.
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:.*")


class RenderError(Exception):
    """Helm does not render the chart with these values; the message says why, `template` which one failed, if known."""

    def __init__(self, message: str, template: str = "") -> None:
        super().__init__(message)
        self.template = template


class Renderer(Protocol):
    """Something that renders one chart."""

    def values(self, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """Everything that the templates would see, subcharts included."""

    def render(self, overrides: Mapping[str, Any]) -> dict[str, str]:
        """The rendered templates by their path; raises `RenderError`."""

    def drop(self, template: str) -> bool:
        """Go on without a template that cannot be rendered; False where there is no such one."""

    def restore(self, template: str) -> None:
        """Take a template that was dropped in again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rendered:
    """One rendered template, the first time that this text came out. `switch` is "" for the chart as it is."""

    template: str
    text: str
    switch: str = ""


@dataclass(kw_only=True, slots=True)
class Sweep:
    """What a sweep found. `trouble` is why nothing was rendered at all."""

    values: dict[str, Any] = field(default_factory=dict)
    rendered: list[Rendered] = field(default_factory=list)
    stubs: list[str] = field(default_factory=list)
    dropped: list[tuple[str, str]] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    untried: int = 0
    trouble: str = ""


def sweep(
    renderer: Renderer,
    templates: Sequence[tuple[Keys, str]],
    *,
    seconds: float,
    absent: Sequence[Keys] = (),
    only_base: bool = False,
) -> Sweep:
    """Render everything within `seconds`.

    `templates` are the sources, each with the path of the values that its chart sees; `absent` the paths of values for
    charts that are not there.
    """
    return _Sweeper(renderer, templates, time.monotonic() + seconds).run(absent, only_base=only_base)


def _telling(text: str) -> set[str]:
    """The lines that may hold an image, without the time of day."""
    return {_MOMENT.sub("", line) for line in text.split("\n") if _TELLING.search(line)}


class _Sweeper:
    def __init__(self, renderer: Renderer, templates: Sequence[tuple[Keys, str]], deadline: float) -> None:
        self._renderer = renderer
        self._templates = templates
        self._texts = [text for _, text in templates]
        self._deadline = deadline
        self._left = MAX_RENDERINGS
        self._seen: set[tuple[str, str]] = set()
        self._lines: dict[str, set[str]] = {}
        self._result = Sweep()

    def run(self, absent: Sequence[Keys], *, only_base: bool) -> Sweep:
        base = self._base()
        if base is None or only_base:
            return self._result
        self._result.values = self._renderer.values(base)
        found = switches(self._result.values, self._templates, absent)
        likely = [switch for switch in found if switch.likely]
        groups = [[switch] for switch in likely]
        for unlikely in ([s for s in found if not s.likely and s.filled is filled] for filled in (False, True)):
            groups += [unlikely[start : start + _GROUP] for start in range(0, len(unlikely), _GROUP)]
        worked: list[Switch] = []
        while groups:
            if self._left <= 0 or time.monotonic() > self._deadline:
                self._result.untried = sum(map(len, groups))
                break
            group = groups.pop(0)
            if len(group) == 1:
                worked += group if self._turn(group[0], base) else []
            elif self._brings_something(group, base):
                groups = [group[: len(group) // 2], group[len(group) // 2 :], *groups]
        self._together([switch for switch in worked if switch.value is True and switch.likely], base)
        return self._result

    def _brings_something(self, group: list[Switch], base: Mapping[str, Any]) -> bool:
        """Whether these switches, all turned at once, change a line that may hold an image, or cannot be rendered."""
        overrides = dict(base)
        for switch in group:
            overrides = merged(overrides, switch.alone)
        self._left -= 1
        try:
            texts = self._renderer.render(overrides)
        except RenderError:
            return True
        return any(_telling(text) - self._lines.get(template, set()) for template, text in texts.items())

    def _base(self) -> dict[str, Any] | None:
        """The chart as it is, with what it demands stubbed; None if it cannot be rendered at all."""
        while True:
            try:
                base, stubbed = self._attempt({}, _MAX_STUBS)
            except RenderError as error:
                if len(self._result.dropped) >= _MAX_DROPPED or not self._renderer.drop(error.template):
                    self._result.trouble = str(error)
                    return None
                self._result.dropped.append((error.template, str(error)))
                continue
            self._result.stubs = [spelled(keys) for keys in stubbed]
            self._restore(base)
            return base

    def _restore(self, base: dict[str, Any]) -> None:
        """Helm blames the template that includes another one: without that other it may be fine."""
        for template, trouble in self._result.dropped[:-1]:
            self._renderer.restore(template)
            try:
                self._attempt(base, 0)
            except RenderError:
                self._renderer.drop(template)
            else:
                self._result.dropped.remove((template, trouble))

    def _turn(self, switch: Switch, base: Mapping[str, Any]) -> bool:
        """One switch, with what is above it, else alone; whether either could be rendered."""
        trouble = ""
        for overrides in [switch.overrides, *([switch.alone] if switch.above else [])]:
            try:
                self._attempt(merged(base, overrides), 0 if switch.filled else _MAX_STUBS_FOR_A_SWITCH, switch.label)
            except RenderError as error:
                trouble = trouble or str(error)
            else:
                return True
        if not switch.filled:
            self._result.failed.append((switch.label, trouble))
        return False

    def _together(self, worked: list[Switch], base: Mapping[str, Any]) -> None:
        """Everything on at once, for what needs two switches; by halves where the chart does not want that."""
        groups, tries = [worked] if len(worked) > 1 else [], _MAX_TOGETHER
        while groups and tries > 0 and self._left > 0 and time.monotonic() < self._deadline:
            tries -= 1
            group = groups.pop(0)
            overrides = dict(base)
            for switch in group:
                overrides = merged(overrides, switch.overrides)
            try:
                self._attempt(overrides, 1, "every switch on")
            except RenderError:
                if len(group) > 2:  # noqa: PLR2004 - two were tried one by one
                    middle = len(group) // 2
                    groups += [group[:middle], group[middle:]]

    def _attempt(
        self, overrides: dict[str, Any], stubs_left: int, switch: str = ""
    ) -> tuple[dict[str, Any], list[Keys]]:
        """Render, stubbing what is demanded; the overrides that worked and what was stubbed."""
        stubbed: dict[Keys, list[Any]] = {}
        while True:
            self._left -= 1
            try:
                texts = self._renderer.render(overrides)
            except RenderError as error:
                if stubs_left <= 0 or time.monotonic() > self._deadline:
                    raise
                values = self._renderer.values(overrides)
                offered = proposals(str(error), values, self._texts)
                wanted = next(((k, v) for k, v in offered if v not in stubbed.get(k, [])), None)
                if wanted is None:
                    raise
                stubs_left -= 1
                overrides = merged(overrides, nested(*wanted))
                stubbed.setdefault(wanted[0], []).append(wanted[1])
                continue
            self._keep(texts, switch)
            return overrides, list(stubbed)

    def _keep(self, texts: Mapping[str, str], switch: str) -> None:
        for template, text in texts.items():
            if (template, text) in self._seen or template.endswith("NOTES.txt"):
                continue
            self._seen.add((template, text))
            lines = _telling(text)
            known = self._lines.setdefault(template, set())
            # A switch that only changes ports and labels brings no image; reading it all again would take seconds.
            if text.strip() and (not switch or lines - known):
                self._result.rendered.append(Rendered(template=template, text=text, switch=switch))
            known |= lines
