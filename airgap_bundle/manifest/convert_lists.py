"""Locks of imgpkg and helm-dt, and plain lists of images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.oci import bare_name
from airgap_bundle.core.report import Place
from airgap_bundle.manifest import words
from airgap_bundle.manifest.convert_parts import pattern_of
from airgap_bundle.manifest.looseyaml import entry, items, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airgap_bundle.manifest.convert_parts import Draft
    from airgap_bundle.manifest.yamltext import Node


def from_imgpkg(documents: Sequence[Node], draft: Draft) -> None:
    """`.imgpkg/images.yml`: digests only; the name that kbld noted gives the tag."""
    for document in documents:
        for image in items(entry(document, "images")):
            written = text_of(entry(image, "image"))
            noted = text_of(entry(image, "annotations", "kbld.carvel.dev/id")).partition("@")[0]
            _, at, digest = written.partition("@")
            # kbld writes index.docker.io/library/redis for what was noted as redis:7.
            if at and noted != bare_name(noted) and pattern_of(noted) == pattern_of(written):
                written = f"{noted}@{digest}"
            draft.image(written, image.place)


def from_images_lock(documents: Sequence[Node], draft: Draft) -> None:
    """`Images.lock` of helm-dt. Its digests are those of single platforms, which a manifest does not name."""
    for document in documents:
        draft.call(text_of(entry(document, "chart", "name")), text_of(entry(document, "chart", "version")))
        for image in items(entry(document, "images")):
            draft.image(text_of(entry(image, "image")), image.place)
            if items(entry(image, "digests")):
                name = text_of(entry(image, "image"))
                draft.lose(image.place, f"the digests of {name}: they are asked for again when the lock is made")


def from_list(raw: bytes, draft: Draft) -> None:
    """One reference a line, `#` begins a comment; what stands behind the reference is a name for the other tool."""
    for number, line in _lines(raw):
        draft.image(_written(line), Place(file=draft.file, line=number))


def is_list(raw: bytes) -> bool:
    """Whether most lines are references."""
    written = [_written(line) for _, line in _lines(raw)]
    # A bare word is a reference too, and so is each word of a sentence.
    good = sum(any(c in one for c in "/:") and _is_reference(one) for one in written)
    return bool(written) and good * 10 >= len(written) * 9


def _written(line: str) -> str:
    """The reference of a line, without the transport that skopeo and oc-mirror write in front of it."""
    return line.split(maxsplit=1)[0].removeprefix("docker://")


def _lines(raw: bytes) -> Iterator[tuple[int, str]]:
    text = raw.decode("utf-8", "replace").removeprefix("\ufeff")
    for number, line in enumerate(text.split("\n"), 1):
        words_ = line.split("#", 1)[0].strip()
        if words_:
            yield number, words_


def _is_reference(text: str) -> bool:
    try:
        words.reference(text)
    except InvalidValueError:
        return False
    return True
