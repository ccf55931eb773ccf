"""Names that exist nowhere, put into the values of a chart, and how they are found again in what is rendered."""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import TYPE_CHECKING

from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.oci import Reference
from airgap_bundle.manifest.settings import Form

if TYPE_CHECKING:
    from collections.abc import Collection

# `.invalid` is reserved for names that never exist (RFC 2606).
ZONE = "airgap-relocated.invalid:5000"
# So many of a digest are in no other text.
_TELLING_DIGITS = 16
SHARED_HOST = f"shared.{ZONE}"


class Mark(Enum):
    """What came of a value: the rendering names just what was set, something else with it, or nothing."""

    FITS = auto()
    DIFFERS = auto()
    ABSENT = auto()


def text(form: Form, host: str, image: Reference) -> str:
    """What a value gets: the part of the name that the image would have on `host`."""
    name = f"{host}/{_path(image)}"
    tag = image.tag or "latest"
    return {
        Form.REFERENCE: f"{name}:{tag}@{_digest(image)}",
        Form.TAGGED: f"{name}:{tag}",
        Form.NAME: name,
        Form.REGISTRY: host,
        Form.REPOSITORY: _path(image),
        Form.TAG: f"{tag}@{_digest(image)}",
        Form.DIGEST: str(_digest(image)),
    }[form]


def look(rendered: str, host: str, image: Reference, forms: Collection[Form]) -> Mark:
    """How the image shows up in `rendered` after values got these forms of it."""
    name = f"{host}/{_path(image)}"
    found = _occurrences(rendered, name)
    strays = re.findall(rf"{re.escape(host)}(?![\w.:/-])", rendered)
    # A host that shows up with anything else behind it was put where it does not belong.
    strays += [] if host == SHARED_HOST else _strays(rendered, host, name)
    if strays or not all(_fits(one, name, image, forms) for one in found):
        return Mark.DIFFERS
    return Mark.FITS if found else Mark.ABSENT


def leaks(rendered: str, image: Reference, forms: Collection[Form]) -> bool:
    """Whether a tag with a digest behind it shows up anywhere but in the name of its image.

    In a label it is no value that Kubernetes takes; behind the name of another image it means another one.
    """
    if Form.TAG not in forms:
        return False
    tag, digest = image.tag or "latest", _digest(image)
    whole = 0
    for found in re.findall(rf"[^\s\"'`,;|&()\[\]{{}}]*{re.escape(tag)}@[^\s\"'`,;|&()\[\]{{}}]*", rendered):
        try:
            reference = Reference.parse(found)
        except InvalidValueError:
            return True
        if reference.digest == digest:
            whole += 1
            if not reference.host.endswith(ZONE) or reference.repository != _path(image):
                return True
    return rendered.count(digest.encoded[:_TELLING_DIGITS]) != whole


def _path(image: Reference) -> str:
    """The path that it would have inside: the colon of a port cannot stand in one."""
    return image.name.replace(":", "_")


def _digest(image: Reference) -> Digest:
    """A digest that nothing else has."""
    return Digest.of(f"airgap-relocated {image}".encode())


def _occurrences(rendered: str, name: str) -> list[str]:
    """The references that begin with a name, with what stands directly before and behind it."""
    return re.findall(rf"[\w.:/@-]*{re.escape(name)}(?:[:@][^\s\"'`,;|&)\]}}]*|(?![\w./-]))", rendered)


def _strays(rendered: str, host: str, name: str) -> list[str]:
    """Where the host shows up with another path than the image's."""
    rest = re.escape(name.removeprefix(host))
    return re.findall(rf"{re.escape(host)}(?!{rest}(?![\w./-]))", rendered)


def _fits(found: str, name: str, image: Reference, forms: Collection[Form]) -> bool:
    """Whether what is asked for is what was set."""
    try:
        reference = Reference.parse(found)
    except InvalidValueError:
        return False
    if reference.name != name:
        return False
    if {Form.REFERENCE, Form.TAG, Form.DIGEST} & set(forms) and reference.digest != _digest(image):
        return False
    return not {Form.REFERENCE, Form.TAGGED, Form.TAG} & set(forms) or reference.tag == (image.tag or "latest")
