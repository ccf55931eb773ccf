"""The small texts of a manifest, each checked in full: names, versions, paths, addresses, durations.

Every function takes text from outside and gives it back in the form that is kept, or raises `InvalidValueError`. They
become parts of paths, tags and URLs later; nothing checks them again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.moments import parse_moment
from airgap_bundle.core.oci import Reference, check_host, check_tag
from airgap_bundle.manifest.fields import ComplaintError

# A product's name becomes part of tags, file names and receipts' ids; 64 leaves room for the rest.
MAX_NAME = 64
# Longest path that FAT, exFAT and most archive formats hold.
MAX_PATH_BYTES = 255
# Inside a packed directory: what macOS opens, the shortest there is, below another path as long as that.
MAX_PACKED_PATH_BYTES = 1024 - MAX_PATH_BYTES
# What browsers and proxies are known to carry.
MAX_URL_BYTES = 2048
# The last second of the year 9999, which is what RFC 3339 can write.
MAX_TIMESTAMP = 253_402_300_799
# Ten years: longer is a typing error.
MAX_DURATION_SECONDS = 3650 * 86400
_SHOWN = 160
# Files and directories that other tools keep images in.
ORIGINS = frozenset({"oci-archive", "docker-archive", "oci"})

_PRODUCT = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
_AUDIENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PATH_PART = re.compile(r"[A-Za-z0-9._+@%=,~ -]{1,128}")
# What ext4, XFS, APFS, NTFS, exFAT and UDF hold.
_PACKED_PART = re.compile(r"[A-Za-z0-9._+@%=,~ -]{1,255}")
# Names that Windows gives to devices; media are read there too.
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[1-9]|lpt[1-9])(?:\..*)?", re.IGNORECASE)
_URL = re.compile(r"(https?)://([^/?#@\s]+)(/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?(\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?")
_ORIGIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@+-]*")
_DURATION = re.compile(r"([1-9][0-9]{0,4})([hdw])")
_UNIT_SECONDS = {"h": 3600, "d": 86400, "w": 604800}
_CHART_VERSION = re.compile(r"[A-Za-z0-9.+_^~<>=!|*, -]{1,128}")
_EXACT_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,127}")
_WILDCARD_PART = re.compile(r"(?:^|\.)[xX](?:\.|$)")
_PATTERN = re.compile(r"[A-Za-z0-9._/:@*-]{1,300}")
_HEX_64 = re.compile(r"[0-9a-f]{64}")
_TIMESTAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


def product_name(text: str) -> str:
    """The name of a product: lower case letters and digits, single `.`, `_` or `-` between them."""
    if len(text) > MAX_NAME or _PRODUCT.fullmatch(text) is None:
        raise ComplaintError(
            f"not a product name: {text[:_SHOWN]!r}",
            hint=f"lower case letters and digits with single . _ or - between them, at most {MAX_NAME}",
        )
    return text


def product_version(text: str) -> str:
    """The version of a product; it becomes a tag."""
    try:
        return check_tag(text)
    except InvalidValueError as error:
        raise ComplaintError(
            f"not a version that can be a tag: {text[:_SHOWN]!r}", hint="letters, digits, . _ and -, at most 128"
        ) from error


def audience_name(text: str) -> str:
    """The name of a boundary."""
    if _AUDIENCE.fullmatch(text) is None:
        raise InvalidValueError(f"not the name of an audience: {text[:_SHOWN]!r}")
    return text


def safe_path(text: str) -> str:
    """A relative path with `/` that means the same on every medium and leads nowhere else.

    ASCII; no `..`, nothing absolute, no part that begins with `-` (it would be taken for an option) or ends with a dot
    or a space (Windows drops them), no device names. A leading `./` is dropped.
    """
    return _safe_path(text, MAX_PATH_BYTES, _PATH_PART)


def packed_path(text: str) -> str:
    """The same inside a packed directory, where names are longer: `node_modules` and repositories of packages."""
    return _safe_path(text, MAX_PACKED_PATH_BYTES, _PACKED_PART)


def _safe_path(text: str, longest: int, allowed: re.Pattern[str]) -> str:
    path = text.removeprefix("./")
    parts = path.split("/")
    if not text.isascii() or len(path) > longest:
        raise InvalidValueError(f"a path is ASCII and at most {longest} bytes long: {text[:_SHOWN]!r}")
    if text.startswith("/") or "\\" in text or (len(text) > 1 and text[1] == ":"):
        raise ComplaintError(f"not a relative path: {text[:_SHOWN]!r}", hint="paths are relative to the manifest")
    for part in parts:
        if part in {"", ".", ".."} or part.startswith(("-", " ")) or part.endswith((".", " ")):
            raise InvalidValueError(f"not a path that is safe on every medium: {text[:_SHOWN]!r}")
        if allowed.fullmatch(part) is None or _DEVICE.fullmatch(part):
            raise InvalidValueError(f"not a file name that is safe on every medium: {part[:_SHOWN]!r}")
    return path


def local_path(text: str) -> str:
    """A path beside the manifest that may be a directory: like `safe_path`, and a slash at its end is dropped."""
    return safe_path(text.removesuffix("/") if len(text) > 1 else text)


def web_address(text: str) -> str:
    """An `http` or `https` address without credentials and fragment. Never quoted back: it may hold a password."""
    match = _URL.fullmatch(text) if text.isascii() and len(text) <= MAX_URL_BYTES else None
    if "@" in text.partition("://")[2].partition("/")[0]:
        raise ComplaintError("an address must not hold credentials", hint="log in with docker or helm instead")
    if match is None:
        raise InvalidValueError("not an http or https address of ASCII characters")
    check_host(match[2])
    return text


def reference(text: str) -> Reference:
    """An image reference, in full or short. A scheme is refused, and so is anything like a login."""
    scheme, separator, _ = text.partition("://")
    if separator:
        raise ComplaintError(f"a reference has no scheme: {scheme[:20]}://", hint="write HOST/NAME:TAG")
    before, at, after = text.partition("@")
    if at and not after.startswith(("sha256:", "sha512:")):
        message = "what follows @ in a reference is a digest, sha256:<64 hexadecimal digits>"
        raise ComplaintError(message, hint="a reference holds no credentials; log in with docker instead")
    try:
        return Reference.parse(text)
    except InvalidValueError as error:
        hint = "repository names are lower case" if before != before.lower() else ""
        raise ComplaintError(f"not an image reference: {error}", hint=hint) from error


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """An image in a file or directory of another tool: what kind it is, the path, and the name that it has in there.

    `name` is "" where there is only one image. As text: `oci-archive:PATH[:NAME]`, `docker-archive:PATH[:NAME]`,
    `oci:DIRECTORY[:NAME]`.
    """

    kind: str
    path: str
    name: str = ""

    def __str__(self) -> str:
        """The text form."""
        return f"{self.kind}:{self.path}" + (f":{self.name}" if self.name else "")

    @classmethod
    def parse(cls, text: str) -> Origin:
        """Read the text form."""
        kind, _, rest = text.partition(":")
        path, _, name = rest.partition(":")
        if kind not in ORIGINS:
            raise InvalidValueError(f"not a kind of file with images: {kind[:_SHOWN]!r}")
        if name and (len(name) > MAX_URL_BYTES or _ORIGIN_NAME.fullmatch(name) is None):
            raise InvalidValueError(f"not the name of an image in a file: {name[:_SHOWN]!r}")
        return cls(kind=kind, path=local_path(path), name=name)


def image_source(text: str, path: str = "") -> tuple[Reference, str]:
    """What an image is called and, if it is in a file, where: a reference, or an `Origin`. `path` is what `as` says.

    An image in a file that has no full name there gets the host `localhost`, as podman does, and `path`.
    """
    if text.partition(":")[0] not in ORIGINS or "://" in text:
        return reference(text), ""
    origin = Origin.parse(text)
    if ":" in origin.name or "/" in origin.name:
        named = reference(origin.name)
        if named.digest is not None:
            raise InvalidValueError("an image in a file is named by a tag, not by a digest")
        return named, str(origin)
    if not path:
        raise ComplaintError(
            f"which image is in {origin.path}?",
            hint="write its full name behind the path (…:docker.io/library/redis:7), or say with 'as' where it goes",
        )
    return Reference(host="localhost", repository=path, tag=check_tag(origin.name or "latest")), str(origin)


def duration(text: str) -> int:
    """`90d`, `12h` or `4w` in seconds."""
    match = _DURATION.fullmatch(text)
    seconds = int(match[1]) * _UNIT_SECONDS[match[2]] if match else 0
    if not 0 < seconds <= MAX_DURATION_SECONDS:
        raise ComplaintError(
            f"not a duration: {text[:_SHOWN]!r}", hint="a number and h, d or w, at most ten years: 90d"
        )
    return seconds


def chart_version(text: str) -> str:
    """The version of a chart, or a range (which the rules complain of)."""
    if _CHART_VERSION.fullmatch(text) is None or text != text.strip():
        raise InvalidValueError(f"not a chart version: {text[:_SHOWN]!r}")
    return text


def is_exact_version(version: str) -> bool:
    """Whether a chart version names one version; `^1.2`, `1.x` and `>=1` are ranges."""
    return _EXACT_VERSION.fullmatch(version) is not None and _WILDCARD_PART.search(version) is None


def name_pattern(text: str) -> str:
    """A pattern over full image names: `*` for one component or a part of it, `**` for any number of them."""
    if _PATTERN.fullmatch(text) is None or "***" in text:
        raise ComplaintError(f"not a name pattern: {text[:_SHOWN]!r}", hint="such as docker.io/library/* or ghcr.io/**")
    return text


def pattern_covers(pattern: str, name: str) -> bool:
    """Whether a name pattern is about a full image name without tag: `*` stays within a component, `**` does not.

    Takes time in proportion to the two, whatever they hold.
    """
    # reachable[n]: the pieces so far can account for the first n characters of the name.
    reachable = [True] + [False] * len(name)
    for piece in re.findall(r"\*\*|.", pattern):
        if piece in {"*", "**"}:
            for number, character in enumerate(name):
                if reachable[number] and (piece == "**" or character != "/"):
                    reachable[number + 1] = True
        else:
            matching = (before and character == piece for before, character in zip(reachable, name, strict=False))
            reachable = [False, *matching]
    return reachable[-1]


def file_digest(text: str) -> Digest:
    """A SHA-256 as `sha256sum` prints it, or with the prefix `sha256:`."""
    bare = text.removeprefix("sha256:")
    if _HEX_64.fullmatch(bare) is None:
        raise ComplaintError(f"not a SHA-256: {text[:_SHOWN]!r}", hint="64 hexadecimal digits, lower case")
    return Digest(f"sha256:{bare}")


def default_path(host: str, repository: str) -> str:
    """Where something lands below DEST if nobody says otherwise: `<host>/<repository>`, the port's `:` become `_`."""
    label = host.lower()
    if label.startswith("["):
        address, _, port = label[1:].partition("]")
        label = f"ip6-{address.replace(':', '-')}x{port}"
    return f"{label.replace(':', '_')}/{repository}"


def timestamp_text(seconds: int) -> str:
    """A time since 1970 in seconds, as RFC 3339 in UTC."""
    return datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def timestamp(text: str) -> int:
    """Seconds since 1970 of `YYYY-MM-DDTHH:MM:SSZ`, the only form that we write."""
    try:
        if _TIMESTAMP.fullmatch(text) is None:
            raise InvalidValueError(f"not a time: {text[:_SHOWN]!r}")
        return int(parse_moment(text).timestamp())
    except ValueError as error:
        raise ComplaintError(f"not a time: {text[:_SHOWN]!r}", hint="such as 2026-05-09T07:35:25Z") from error
