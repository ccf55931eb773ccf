"""Which values of a chart may say where its images come from, and in which forms; guesses, until they are tried.

A candidate is one image at one place with its shapes: sets of values, each in a form, the likeliest first. Charts write
images as one text (with or without the tag), as `registry` and `repository`, or as a default in a template only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airgap_bundle.discovery import naming
from airgap_bundle.discovery.values import STUB, get
from airgap_bundle.manifest.settings import Form

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from airgap_bundle.core.oci import Reference
    from airgap_bundle.discovery.values import Keys

# Keys and, in lists, positions.
Path = tuple[str | int, ...]
# What goes where, together.
Shape = tuple[tuple[Path, Form], ...]

# The largest public chart has 9,000 leaves, and 60 images.
_MAX_VISITS = 50_000
MAX_CANDIDATES = 400
_MAX_DEPTH = 16
_IMAGE_WORD = re.compile(r"image|img|repository", re.IGNORECASE)
_OTHER_WORD = re.compile(r"pull|tag|digest|policy|registry|secret|version|sha", re.IGNORECASE)
# Within `image: {…}` these name it as well.
_NAME_KEYS = frozenset({"name", "path"})
_STEM = re.compile(r"(?P<stem>.*?)(?P<word>[iI]mageRepository|[rR]epository|[iI]mageName|[iI]mage)$")
_DEFAULT_BEHIND = re.compile(r"\.Values\.(?P<keys>[A-Za-z_][\w.]*)\s*\|\s*default\s+\"(?P<text>[^\"]+)\"")
_DEFAULT_BEFORE = re.compile(r"default\s+\"(?P<text>[^\"]+)\"\s+\$?\.Values\.(?P<keys>[A-Za-z_][\w.]*)")
# Where charts keep one registry for all of their images.
_SHARED_REGISTRIES: tuple[Keys, ...] = (
    ("global", "imageRegistry"),
    ("global", "image", "registry"),
    ("global", "registry"),
    ("imageRegistry",),
    ("image", "registry"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """One image at one place in the values."""

    at: Path
    image: Reference
    shapes: tuple[Shape, ...]


def candidates(
    values: Mapping[str, Any], templates: Sequence[tuple[Keys, str]], known: Collection[Reference]
) -> list[Candidate]:
    """Every place whose text names one of the images in `known`; at most `MAX_CANDIDATES`.

    `values` are those that the templates see, `templates` the sources with the path of the values of their chart.
    """
    search = _Search(values, known)
    found: dict[Path, Candidate] = {}
    for one in (*search.in_values(), *search.in_templates(templates)):
        if len(found) >= MAX_CANDIDATES:
            break
        found.setdefault(one.at, one)
    return list(found.values())


class _Search:
    def __init__(self, values: Mapping[str, Any], known: Collection[Reference]) -> None:
        self._values = values
        self._by_name: dict[str, list[Reference]] = {}
        self._by_path: dict[str, list[Reference]] = {}
        for reference in sorted(known, key=str):
            self._by_name.setdefault(reference.name, []).append(reference)
            self._by_path.setdefault(reference.repository, []).append(reference)
        self._shared = [keys for keys in _SHARED_REGISTRIES if isinstance(get(values, keys), str)]
        self._left = _MAX_VISITS

    def in_values(self) -> Iterator[Candidate]:
        yield from self._walk(self._values, ())

    def in_templates(self, templates: Sequence[tuple[Keys, str]]) -> Iterator[Candidate]:
        """Images that a template takes where a value is empty."""
        for scope, text in templates:
            for pattern in (_DEFAULT_BEHIND, _DEFAULT_BEFORE):
                for match in pattern.finditer(text):
                    inner = tuple(match["keys"].split("."))
                    keys = inner if inner[0] == "global" else (*scope, *inner)
                    above = get(self._values, keys[:-1])
                    if get(self._values, keys) in {None, ""} and (above is None or isinstance(above, dict)):
                        yield from self._text(keys[:-1], keys[-1], match["text"], above or {})

    def _walk(self, node: Any, at: Path) -> Iterator[Candidate]:
        self._left -= 1
        if self._left < 0 or len(at) > _MAX_DEPTH:
            return
        if isinstance(node, dict):
            for key, value in node.items():
                if isinstance(value, str) and _says_image(str(key), at):
                    yield from self._text(at, str(key), value, node)
                else:
                    yield from self._walk(value, (*at, str(key)))
        elif isinstance(node, list):
            for number, value in enumerate(node):
                if isinstance(value, str) and at and _says_image(str(at[-1]), at[:-1]):
                    yield from self._text(at, number, value, {})
                else:
                    yield from self._walk(value, (*at, number))

    def _text(self, at: Path, key: str | int, text: str, beside: Mapping[str, Any]) -> Iterator[Candidate]:
        """One text that may name an image; `beside` is the map that it stands in."""
        reference = naming.parse(text) if "{{" not in text and STUB not in text else None
        if reference is None:
            return
        place: Path = (*at, key)
        registry = _beside(at, key, "registry", beside)
        digest, tag = _beside(at, key, "digest", beside), _beside(at, key, "tag", beside)
        own = beside.get(str(registry[-1])) if registry is not None else None
        if isinstance(own, str) and own:
            joined = naming.parse(f"{own.rstrip('/')}/{text.lstrip('/')}")
            for image in self._known(joined):
                shapes = (*_parted(place, registry, digest, tag), *_alone(place, digest, tag, text, beside))
                yield Candidate(at=place, image=image, shapes=shapes)
            return
        if reference.name in self._by_name:
            image = self._meant(reference)
            shapes = (*_alone(place, digest, tag, text, beside), *_parted(place, registry, digest, tag))
            yield Candidate(at=place, image=image, shapes=shapes)
            return
        for image in self._by_path.get(reference.repository, self._by_path.get(text, []))[:1]:
            # The registry comes from elsewhere: from a key that may be set here, or from one for the whole chart.
            beside_it: Path = registry or (*at, "registry")
            shared = [shape for keys in self._shared for shape in _parted(place, keys, digest, tag)]
            shapes = (*_parted(place, beside_it, digest, tag), *_alone(place, digest, tag, text, beside), *shared)
            yield Candidate(at=place, image=image, shapes=shapes)

    def _known(self, reference: Reference | None) -> list[Reference]:
        return [self._meant(reference)] if reference is not None and reference.name in self._by_name else []

    def _meant(self, reference: Reference) -> Reference:
        """The known image of that name: of the same tag where there is one."""
        same = self._by_name[reference.name]
        return next((one for one in same if one.tag == reference.tag), same[0])


def _says_image(key: str, above: Path) -> bool:
    if _IMAGE_WORD.search(key):
        return not _OTHER_WORD.search(_IMAGE_WORD.sub("", key, count=1))
    names = [part for part in above if isinstance(part, str)]
    return key in _NAME_KEYS and bool(names) and _IMAGE_WORD.search(names[-1]) is not None


def _beside(at: Path, key: str | int, word: str, beside: Mapping[str, Any]) -> Path | None:
    """The key for the registry or the digest of the same image: `registry`, or `fooRegistry` beside `fooRepository`."""
    match = _STEM.fullmatch(key) if isinstance(key, str) else None
    stem = match["stem"] if match else ""
    capital = word.capitalize()
    for name in (*((f"{stem}{capital}", f"{stem}Image{capital}") if stem else ()), word, f"image{capital}"):
        if name in beside and (beside[name] is None or isinstance(beside[name], str)):
            return (*at, name)
    return None


def _alone(place: Path, digest: Path | None, tag: Path | None, text: str, beside: Mapping[str, Any]) -> list[Shape]:
    """The whole name in one text; the tag with it, or in a value of its own."""
    name: list[Shape] = [((place, Form.NAME), (digest, Form.DIGEST))] if digest else []
    name += [((place, Form.NAME), (tag, Form.TAG))] if tag else []
    name.append(((place, Form.NAME),))
    whole: list[Shape] = [((place, Form.REFERENCE),), ((place, Form.TAGGED),)]
    has_tag = ":" in text.rpartition("/")[2] or "@" in text
    return [*name, *whole] if not has_tag and any("tag" in str(key).lower() for key in beside) else [*whole, *name]


def _parted(place: Path, registry: Path | None, digest: Path | None, tag: Path | None) -> list[Shape]:
    """Registry and repository in values of their own."""
    if registry is None:
        return []
    pair = ((registry, Form.REGISTRY), (place, Form.REPOSITORY))
    with_digest: list[Shape] = [(*pair, (digest, Form.DIGEST))] if digest else []
    with_tag: list[Shape] = [(*pair, (tag, Form.TAG))] if tag else []
    return [*with_digest, *with_tag, pair]
