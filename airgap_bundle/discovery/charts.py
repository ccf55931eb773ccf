"""The images of one chart: rendered as it is, with every switch, listed by its author, and guessed from its values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.errors import DocumentError, InvalidValueError
from airgap_bundle.core.text import count_text
from airgap_bundle.discovery import archive, chart_notes, readiness, rendering, static_scan
from airgap_bundle.discovery.chart import Chart, make_chart
from airgap_bundle.discovery.finds import Certainty, Discovery, Sighting, Unresolved
from airgap_bundle.discovery.tracing import Tracer
from airgap_bundle.discovery.values import STUB
from airgap_bundle.discovery.walk import Walk
from airgap_bundle.manifest.looseyaml import entry, parse_stream, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from airgap_bundle.core.oci import Reference
    from airgap_bundle.discovery.finds import Risk
    from airgap_bundle.discovery.sweep import Rendered, Sweep
    from airgap_bundle.discovery.walk import Spotted
    from airgap_bundle.manifest.yamltext import Node

_NO_HELM = (
    "neither helm-python-sdk nor a helm program is here, so charts were only scanned: images may be missing, and all "
    "are guesses. Install airgap-bundle[helm]"
)
_MAX_FAILED_NAMED = 5


def discover_chart(path: Path, values: Sequence[str] = ()) -> Discovery:
    """The images of a chart directory or `.tgz`. `values` are texts of values files."""
    return discover_files(make_chart(archive.read_chart(path)), values)


def discover_archive(raw: bytes, name: str, values: Sequence[str] = ()) -> Discovery:
    """The same for the bytes of a `.tgz`; `name` is what to call it in errors."""
    try:
        files = archive.unpack(raw)
    except InvalidValueError as error:
        message = f"{name} is not a chart: {error}"
        raise DocumentError("AB-CHART-INVALID", message, hint="try: helm show chart") from error
    return discover_files(make_chart(files), values)


def discover_files(chart: Chart, values: Sequence[str] = (), *, seconds: float = rendering.SWEEP_SECONDS) -> Discovery:
    """The images of a chart that was read."""
    sightings: list[Sighting] = []
    unresolved = list(_missing(chart))
    for note in (
        note
        for one in chart.everywhere()
        for note in (*chart_notes.from_annotations(one), *chart_notes.from_locks(one))
    ):
        (sightings if isinstance(note, Sighting) else unresolved).append(note)  # type: ignore[arg-type]  # by its class
    sweep = rendering.render(chart, values, seconds=seconds)
    risks = list(readiness.of_values(chart))
    risks += [readiness.missing_dependency(chart, one) for part in chart.everywhere() for one in part.missing]
    if sweep is None or sweep.trouble:
        scanned = list(static_scan.scan(chart))
        if sweep is not None:
            unresolved.append(Unresolved(where=chart.path, message=f"not rendered: {sweep.trouble}"))
        remarks = (_NO_HELM,) if sweep is None else (f"{chart.path} could not be rendered, so it was only scanned",)
        return Discovery(
            sightings=(*sightings, *scanned),
            unresolved=tuple(unresolved),
            risks=tuple(risks),
            remarks=remarks,
            scanned_only=True,
        )
    reader = _Reader(chart, sweep)
    for rendered in sweep.rendered:
        reader.read(rendered)
    sightings += reader.sightings
    known = {sighting.reference.name for sighting in sightings}
    sightings += [guess for guess in static_scan.scan(chart) if not _is_known(guess.reference, known)]
    unresolved += [*reader.unresolved, *_gaps(chart, sweep)]
    return Discovery(sightings=tuple(sightings), unresolved=tuple(unresolved), risks=tuple(risks + reader.risks))


def _is_known(reference: Reference, known: set[str]) -> bool:
    """Whether an image of this name was found already; values often leave the registry to the template."""
    tail = f"/{reference.repository.removeprefix('library/')}"
    return reference.name in known or any(name.endswith(tail) for name in known)


class _Reader:
    """Reads rendered texts into sightings."""

    def __init__(self, chart: Chart, sweep: Sweep) -> None:
        templates = {path: text for one in chart.everywhere() for path, text in one.templates.items()}
        self._tracer = Tracer(templates, sweep.values)
        self.sightings: list[Sighting] = []
        self.unresolved: list[Unresolved] = []
        self.risks: list[Risk] = []
        self._known: set[tuple[str, str]] = set()

    def read(self, rendered: Rendered) -> None:
        """One text: its documents are walked one by one, since tests among them run only when asked."""
        stream = parse_stream(rendered.text, rendered.template)
        lines = rendered.text.split("\n")
        for document in stream.documents:
            walk = Walk()
            walk.document(document)
            self._take(walk, rendered, lines, "" if not _is_test(document) else "a test, run by helm test")
            if not rendered.switch:
                self.risks += readiness.of_document(document, rendered.template)
        for trouble in stream.troubles:
            walk = Walk()
            walk.broken(trouble.text, trouble.place, trouble.message)
            self._take(walk, rendered, lines, "")

    def _take(self, walk: Walk, rendered: Rendered, lines: list[str], only_when: str) -> None:
        for spotted in walk.spotted:
            if STUB in str(spotted.reference):
                message = f"the image comes from a value that the chart leaves open: {spotted.key}"
                if not rendered.switch:
                    self.unresolved.append(Unresolved(where=rendered.template, message=message))
                continue
            where = self._tracer.where(rendered.template, lines, spotted)
            # The first switch that brings an image to a place is named, and not every other one that leaves it there.
            if (str(spotted.reference), where) not in self._known:
                self._known.add((str(spotted.reference), where))
                self.sightings.append(
                    _sighting(spotted, where, f"with {rendered.switch}" if rendered.switch else only_when)
                )
        if not rendered.switch:
            self.unresolved += [one for one in walk.unresolved if STUB not in one.message]


def _sighting(spotted: Spotted, where: str, condition: str) -> Sighting:
    certainty = spotted.certainty
    if condition and certainty is Certainty.RENDERED:
        certainty = Certainty.SWITCH
    return Sighting(
        reference=spotted.reference, certainty=certainty, where=f"{where}, {condition}" if condition else where
    )


def _is_test(document: Node) -> bool:
    hooks = text_of(entry(document, "metadata", "annotations", "helm.sh/hook")).split(",")
    return bool(hooks[0]) and all(hook.strip() in {"test", "test-success", "test-failure"} for hook in hooks)


def _missing(chart: Chart) -> Iterator[Unresolved]:
    for one in chart.everywhere():
        for dependency in one.missing:
            source = f" from {dependency.repository}" if dependency.repository else ""
            message = (
                f"the chart depends on {dependency.name} {dependency.version}{source} and does not bring it along, so "
                "its images are not known: run helm dependency build"
            )
            yield Unresolved(where=f"{one.path}/Chart.yaml", message=message)


def _gaps(chart: Chart, sweep: Sweep) -> Iterator[Unresolved]:
    """What the sweep could not do."""
    if sweep.stubs:
        message = f"values that the chart demands were made up: {', '.join(sweep.stubs)}"
        yield Unresolved(where=f"{chart.path}/values.yaml", message=message)
    for template, trouble in sweep.dropped:
        yield Unresolved(where=template, message=f"left out, since it cannot be rendered: {trouble}")
    for label, trouble in sweep.failed[:_MAX_FAILED_NAMED]:
        yield Unresolved(where=chart.path, message=f"cannot be rendered with {label}: {trouble}")
    if len(sweep.failed) > _MAX_FAILED_NAMED:
        labels = ", ".join(label for label, _ in sweep.failed[_MAX_FAILED_NAMED:])
        yield Unresolved(where=chart.path, message=f"neither with: {labels}")
    if sweep.untried:
        message = f"{count_text(sweep.untried, 'switch', 'switches')} not tried: there was no time for more"
        yield Unresolved(where=chart.path, message=message)
