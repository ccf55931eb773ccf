"""Finds images in whatever it is pointed at: charts, Compose files, Kubernetes manifests, Dockerfiles, lists."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import AirgapError, UsageError
from airgap_bundle.core.text import count_text, printable
from airgap_bundle.discovery import kubernetes
from airgap_bundle.discovery.charts import discover_chart
from airgap_bundle.discovery.compose import discover_compose, is_compose
from airgap_bundle.discovery.dockerfile import discover_dockerfile
from airgap_bundle.discovery.finds import Discovery, Unresolved, gathered
from airgap_bundle.manifest.looseyaml import entry, parse_bytes, text_of
from airgap_bundle.manifest.model import read_document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from airgap_bundle.manifest.yamltext import Node

_YAML = frozenset({".yaml", ".yml", ".json"})
_ARCHIVES = (".tgz", ".tar.gz")
_LISTS = frozenset({".list", ".lst"})
_DOCKERFILES = ("dockerfile", "containerfile")
# More names are not read; JSON has all of them.
_SHOWN_FILES = 5


def discover_path(path: Path, values: Sequence[str] = ()) -> Discovery:
    """Everything in one file or directory, by what it turns out to be. `values` are texts of values files for charts.

    Raises `UsageError` where there is nothing, or a file named alone is of no known kind.
    """
    return gathered([task() for task in tasks(path, values)])


def tasks(path: Path, values: Sequence[str] = ()) -> list[Callable[[], Discovery]]:
    """The same as separate pieces of work, which may be done at the same time."""
    if path.is_dir():
        return list(_directory(path, values))

    def alone() -> Discovery:
        result = _file(path, values)
        if result is None:
            raise UsageError(
                "AB-USAGE-DISCOVER",
                f"{path} is no chart, Compose file, Kubernetes manifest, Dockerfile or list of images",
                hint="name the file that says what is deployed",
            )
        return result

    return [alone]


def discover_workload(kind: str, path: Path) -> Discovery:
    """One workload of a manifest: `compose`, `kubernetes` or `list`."""
    if kind == "compose":
        return discover_compose(path)
    if kind == "list":
        return kubernetes.discover_list(path)
    if not path.is_dir():
        return kubernetes.discover_manifest(path)
    if kubernetes.kustomization_in(path):
        return _kustomized(path)
    files = [file for file in kubernetes.files_below(path) if file.suffix in _YAML]
    return gathered([kubernetes.discover_manifest(file) for file in files])


def _directory(path: Path, values: Sequence[str]) -> Iterator[Callable[[], Discovery]]:
    if (path / "Chart.yaml").is_file():
        yield partial(_guarded, path, values)
        return
    if kubernetes.kustomization_in(path):
        yield partial(_kustomized, path)
        return
    taken: set[Path] = set()
    for file in kubernetes.files_below(path):
        if any(parent in taken for parent in file.parents):
            continue
        chart = _outermost(file, path, lambda one: (one / "Chart.yaml").is_file())
        kustomized = _outermost(file, path, lambda one: kubernetes.kustomization_in(one) is not None)
        if chart is not None:
            taken.add(chart)
            yield partial(_guarded, chart, values)
        elif kustomized is not None:
            taken.add(kustomized)
            yield partial(_kustomized, kustomized)
        else:
            yield partial(_guarded, file, values)


def _kustomized(path: Path) -> Discovery:
    """What the kustomization of a directory deploys; and which files below are not among that, as nobody reads them."""
    found = kubernetes.discover_kustomization(path, discover_chart)
    unread = [
        str(file)
        for file in kubernetes.files_below(path)
        if _may_name_images(file) and not any(one in found.read for one in (file.resolve(), *file.resolve().parents))
    ]
    if not unread:
        return found
    shown = ", ".join(file.removeprefix(f"{path}/") for file in unread[:_SHOWN_FILES])
    more = f" and {len(unread) - _SHOWN_FILES} more" if len(unread) > _SHOWN_FILES else ""
    kustomization = kubernetes.kustomization_in(path)
    remark = (
        f"{count_text(len(unread), 'file')} in {path} {'was' if len(unread) == 1 else 'were'} not read, as "
        f"{kustomization.name if kustomization else 'its kustomization'} deploys none of them: {shown}{more}"
    )
    return replace(found, unread=tuple(unread), remarks=(*found.remarks, printable(remark)))


def _may_name_images(file: Path) -> bool:
    """Whether the file would be read if it were named alone; what it holds may still be something else."""
    name = file.name.lower()
    return file.suffix in _YAML | _LISTS | {".dockerfile"} or name.endswith(_ARCHIVES) or name.startswith(_DOCKERFILES)


def _outermost(file: Path, top: Path, wanted: Callable[[Path], bool]) -> Path | None:
    """The outermost directory between `top` and the file that is what is wanted."""
    return next((one for one in reversed(file.parents) if one.is_relative_to(top) and wanted(one)), None)


def _guarded(path: Path, values: Sequence[str]) -> Discovery:
    """One of many: what is wrong with it must not hide the others."""
    try:
        found = discover_chart(path, values) if path.is_dir() else _file(path, values)
    except AirgapError as error:
        return Discovery(unresolved=(Unresolved(where=str(path), message=error.message),))
    return found or Discovery()


def _file(path: Path, values: Sequence[str]) -> Discovery | None:
    """None for a file of no kind that names images."""
    name = path.name.lower()
    if name.endswith(_ARCHIVES):
        return discover_chart(path, values)
    if (
        name in {"dockerfile", "containerfile"}
        or name.startswith(("dockerfile.", "containerfile."))
        or path.suffix == ".dockerfile"
    ):
        return discover_dockerfile(path)
    if path.suffix in _YAML:
        return _yaml(path)
    if path.suffix in {".txt", ".list", ".lst"} and ("image" in name or path.suffix != ".txt"):
        return kubernetes.discover_list(path)
    if not path.exists():
        raise UsageError("AB-MANIFEST-FILE", f"{path} does not exist", hint="check the path")
    return kubernetes.discover_list(path) if path.suffix == ".txt" else None


def _yaml(path: Path) -> Discovery | None:
    stream = parse_bytes(read_document(path, max_bytes=kubernetes.MAX_FILE_BYTES), str(path))
    first = stream.documents[0] if stream.documents else None
    if first is not None and is_compose(first):
        return discover_compose(path)
    if path.name in kubernetes.KUSTOMIZATIONS:
        return kubernetes.discover_kustomization(path.parent, discover_chart)
    if any(_is_kubernetes(document) for document in stream.documents) or stream.troubles:
        return kubernetes.discover_stream(stream)
    return None


def _is_kubernetes(document: Node) -> bool:
    api_version = text_of(entry(document, "apiVersion"))
    return bool(api_version and text_of(entry(document, "kind"))) and not api_version.startswith("airgap-bundle/")
