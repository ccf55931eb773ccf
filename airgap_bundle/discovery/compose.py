"""The images of a Compose project: its services after interpolation, `extends` and `include`, with their profiles.

A service behind a profile counts as a switch. One that is built is only asked for by name if it has an `image`, which
may be pushed nowhere: a guess. Files below the directory of the first one are read, and no others.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import AirgapError
from airgap_bundle.discovery import dockerfile, naming, readiness
from airgap_bundle.discovery.finds import Certainty, Discovery, Sighting, Unresolved
from airgap_bundle.discovery.interpolation import Interpolation, parse_environment
from airgap_bundle.manifest.looseyaml import entry, items, parse_bytes, text_of, texts
from airgap_bundle.manifest.model import read_document
from airgap_bundle.manifest.yamltext import MappingNode, Node, ScalarNode

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from airgap_bundle.discovery.finds import Risk

# A project of this many files is a program that writes them.
_MAX_FILES = 200
_MAX_ENVIRONMENT_BYTES = 1024 * 1024


@dataclass(kw_only=True, slots=True)
class _Service:
    """One service with what it inherits laid under it."""

    name: str
    file: Path
    fields: dict[str, Node]
    variables: Mapping[str, str]


@dataclass(kw_only=True, slots=True)
class _Project:
    """One reading of a project."""

    root: Path
    services: dict[str, _Service] = field(default_factory=dict)
    sightings: list[Sighting] = field(default_factory=list)
    unresolved: list[Unresolved] = field(default_factory=list)
    risks: list[Risk] = field(default_factory=list)
    read: set[Path] = field(default_factory=set)
    left: int = _MAX_FILES


def discover_compose(path: Path) -> Discovery:
    """The images of the project that begins with this file. An `override` file beside it is read as Compose does."""
    project = _Project(root=path.parent.resolve())
    variables = _environment(project, path.parent / ".env")
    _load(project, path, variables)
    override = path.with_name(f"{path.stem}.override{path.suffix}")
    if override.is_file():
        _load(project, override, variables)
    for service in project.services.values():
        _service(project, service)
    return Discovery(
        sightings=tuple(project.sightings), unresolved=tuple(project.unresolved), risks=tuple(project.risks)
    )


def is_compose(node: Node) -> bool:
    """Whether a document is a Compose file: services that have an image or are built."""
    services = entry(node, "services")
    if not isinstance(services, MappingNode) or entry(node, "apiVersion") is not None:
        return False
    keys = {"image", "build", "extends", "command", "environment"}
    return any(isinstance(one, MappingNode) and keys & one.entries.keys() for one in services.entries.values())


def _document(project: _Project, path: Path) -> Node | None:
    """One file of the project, if it is one that may be read."""
    name = str(path)
    resolved = path.resolve()
    if not resolved.is_relative_to(project.root):
        project.unresolved.append(Unresolved(where=name, message="lies outside the project, so it was not read"))
        return None
    project.left -= 1
    if project.left < 0:
        project.unresolved.append(Unresolved(where=name, message=f"more than {_MAX_FILES} files in one project"))
        return None
    try:
        stream = parse_bytes(read_document(path), name)
    except AirgapError as error:
        project.unresolved.append(Unresolved(where=name, message=error.message))
        return None
    for trouble in stream.troubles:
        message = f"not readable as YAML: {trouble.message}"
        project.unresolved.append(Unresolved(where=str(trouble.place), message=message))
    return stream.documents[0] if stream.documents else None


def _environment(project: _Project, *paths: Path) -> dict[str, str]:
    variables: dict[str, str] = {}
    for path in paths:
        if path.is_file() and path.resolve().is_relative_to(project.root):
            try:
                raw = read_document(path, max_bytes=_MAX_ENVIRONMENT_BYTES)
            except AirgapError as error:
                project.unresolved.append(Unresolved(where=str(path), message=error.message))
                continue
            variables |= parse_environment(raw.decode("utf-8", "replace"))
    return variables


def _load(project: _Project, path: Path, variables: Mapping[str, str]) -> None:
    """A file with everything that it includes; services of the same name are laid over those that came before."""
    if path.resolve() in project.read:
        return
    project.read.add(path.resolve())
    document = _document(project, path)
    for included in items(entry(document, "include")):
        _include(project, included, path, variables)
    services = entry(document, "services")
    if not isinstance(services, MappingNode):
        return
    project.risks += [risk for risk in readiness.of_document(services, str(path)) if risk not in project.risks]
    for name, node in services.entries.items():
        before = project.services.get(name)
        fields = _fields(project, node, path, ())
        merged = {**(before.fields if before else {}), **fields}
        project.services[name] = _Service(name=name, file=path, fields=merged, variables=variables)


def _include(project: _Project, node: Node, path: Path, variables: Mapping[str, str]) -> None:
    names = texts(node) if isinstance(node, ScalarNode) else texts(entry(node, "path"))
    filled = [Interpolation(variables=variables).fill(name) for name in names]
    for name in filled:
        if "://" in name or name.startswith("git@"):
            message = f"includes {name} from elsewhere; its images are not known here"
            project.unresolved.append(Unresolved(where=str(node.place), message=message))
            continue
        target = path.parent / name
        extra = [path.parent / one for one in texts(entry(node, "env_file"))] or [target.parent / ".env"]
        _load(project, target, {**_environment(project, *extra), **variables})


def _fields(project: _Project, node: Node, path: Path, chain: tuple[tuple[str, str], ...]) -> dict[str, Node]:
    """The keys of a service, over those of the service that it extends."""
    if not isinstance(node, MappingNode):
        return {}
    extends = node.entries.get("extends")
    inherited: dict[str, Node] = {}
    if extends is not None:
        name = text_of(extends) or text_of(entry(extends, "service"))
        file = path.parent / text_of(entry(extends, "file")) if text_of(entry(extends, "file")) else path
        link = (str(file), name)
        if link in chain:
            project.unresolved.append(Unresolved(where=str(node.place), message=f"extends itself by way of {name}"))
        else:
            base = entry(_document(project, file), "services", name)
            if base is None:
                message = f"extends the service {name}, which {file} does not have"
                project.unresolved.append(Unresolved(where=str(node.place), message=message))
            else:
                inherited = _fields(project, base, file, (*chain, link))
    # Profiles are not inherited in the sense that matters: what extends a service runs by its own.
    return {**{key: value for key, value in inherited.items() if key != "profiles"}, **node.entries}


def _service(project: _Project, service: _Service) -> None:
    filling = Interpolation(variables=service.variables)
    image = service.fields.get("image")
    place = f"{image.place if image is not None else service.file} (services.{service.name})"
    profiles = texts(service.fields.get("profiles"))
    condition = f", with the profile {' or '.join(profiles)}" if profiles else ""
    built = service.fields.get("build")
    written = filling.fill(text_of(image))
    for name in sorted(filling.unset):
        project.unresolved.append(Unresolved(where=place, message=f"the variable {name} is set nowhere"))
    for name, word in filling.demanded.items():
        project.unresolved.append(Unresolved(where=place, message=f"the variable {name} is demanded: {word}"))
    if built is not None:
        _built(project, service, built, place)
    if not written:
        if image is not None and not filling.unset | filling.demanded.keys():
            project.unresolved.append(Unresolved(where=place, message="the image is empty"))
        return
    reference = naming.parse(written)
    if reference is None:
        project.unresolved.append(Unresolved(where=place, message=f"not a reference: {written[:120]}"))
        return
    certainty = Certainty.SWITCH if profiles else Certainty.RENDERED
    if built is not None:
        certainty, condition = Certainty.GUESS, f"{condition}, built here and perhaps pushed nowhere"
    project.sightings.append(Sighting(reference=reference, certainty=certainty, where=place + condition))


def _built(project: _Project, service: _Service, built: Node, place: str) -> None:
    """A service that is built: what it is built from is needed for that, not inside."""
    filling = Interpolation(variables=service.variables)
    context = filling.fill(text_of(built) or text_of(entry(built, "context")) or ".")
    named = filling.fill(text_of(entry(built, "dockerfile"))) or "Dockerfile"
    message = f"the service {service.name} is built from {context}: push the image somewhere and list it under images"
    project.unresolved.append(Unresolved(where=place, message=message))
    inline = text_of(entry(built, "dockerfile_inline"))
    if inline:
        project.sightings += dockerfile.needed_for_building(inline, str(service.file))
        return
    path = service.file.parent / context / named
    if "://" not in context and path.is_file() and path.resolve().is_relative_to(project.root):
        project.sightings += dockerfile.needed_for_building(dockerfile.read(path), str(path))
