"""Whether a piece of text names an image, and how plainly.

Anything may *parse* as a reference (`true`, `stable`, `v1`), so the key beside it and the shape of the text decide
together.
"""

from __future__ import annotations

import re
from enum import IntEnum
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.oci import Reference

if TYPE_CHECKING:
    from collections.abc import Callable

# Host, path, tag and digest with their limits come to 512 at most.
_MAX_TEXT = 600
_IMAGE_KEY = re.compile(r"(?:^|[A-Za-z0-9_.\-/])(?:[iI]mage|IMAGE)(?:[_-][A-Za-z]+|Name|Ref|URL|Url)?$")
_NOT_IMAGES = re.compile(
    r"\.(?:png|jpe?g|gif|svg|ico|webp|iso|qcow2|img|vmdk|html?|js|css|ya?ml|json|txt|sh|go|py)$", re.IGNORECASE
)
_HOST_PATH = re.compile(r"(?:[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|localhost)(?::[0-9]{1,5})?/")
# Clusters and services inside, which have paths but are no registries.
_SERVICE = re.compile(r"\.(?:svc|cluster\.local|local)(?::[0-9]+)?/")
_SCHEMES = ("docker://", "docker-image://", "oci://")


class Plainness(IntEnum):
    """How much a text looks like an image by itself."""

    NOT = 0
    # `busybox`, `true`: any word.
    WORD = 1
    # `redis:7` or `acme/app`: a tag, or a path.
    NAME = 2
    # `acme/app:1.0`: a path and a tag, or anything with a digest.
    FULL = 3
    # `ghcr.io/acme/app:1.0`: a registry host as well.
    HOSTED = 4


def parse(text: str) -> Reference | None:
    """The reference that `text` is, after the quotes, spaces and schemes around it are gone; None if it is none."""
    text = text.strip().strip("\"'")
    for scheme in _SCHEMES[:2]:
        text = text.removeprefix(scheme)
    if not 0 < len(text) <= _MAX_TEXT or "://" in text or _NOT_IMAGES.search(text):
        return None
    try:
        return Reference.parse(text)
    except InvalidValueError:
        return None


def plainness(text: str) -> Plainness:
    """How plainly `text` is an image."""
    reference = parse(text)
    if reference is None:
        return Plainness.NOT
    bare = text.strip().strip("\"'").partition("@")[0]
    has_path = "/" in bare
    has_tag = ":" in bare.rpartition("/")[2]
    if _HOST_PATH.match(bare) and not _SERVICE.search(bare):
        return Plainness.HOSTED if has_tag or reference.digest else Plainness.NAME
    if reference.digest or (has_path and has_tag):
        return Plainness.FULL
    return Plainness.NAME if has_path or has_tag else Plainness.WORD


def is_image_key(key: str) -> bool:
    """Whether a key, variable or option says that its value is an image: `image`, `sidecarImage`, `PROXY_IMAGE`."""
    return _IMAGE_KEY.search(key) is not None


def joined(get: Callable[[str], str]) -> str:
    """The reference that the parts of a map make (`registry`, `repository` or `image` or `name`, `tag`, `digest`); "".

    `get` gives the text of a key. A repository alone is no image: what its tag would be only the template knows.
    """
    repository = get("repository") or get("image") or get("name")
    tag, digest = get("tag") or get("version") or get("imageTag"), get("digest") or get("sha")
    if not repository or not (tag or digest):
        return ""
    registry = get("registry") or get("hub") or get("imageRegistry")
    name = f"{registry.rstrip('/')}/{repository.lstrip('/')}" if registry else repository
    if re.fullmatch(r"[0-9a-f]{64}", digest):
        digest = f"sha256:{digest}"
    if ":" in name.rpartition("/")[2]:
        return name
    return name + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
