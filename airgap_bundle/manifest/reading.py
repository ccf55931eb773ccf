"""Readers from YAML values to entries; shared by manifests and overlays."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.oci import Platform, Reference, check_repository
from airgap_bundle.manifest import words
from airgap_bundle.manifest.entries import (
    ArtifactEntry,
    ChartEntry,
    ExcludeEntry,
    FileEntry,
    ImageEntry,
    VerifyEntry,
    WorkloadEntry,
    chart_tag,
)
from airgap_bundle.manifest.fields import ComplaintError, Value, converted, listed, one_of, text
from airgap_bundle.manifest.yamltext import MappingNode, SequenceNode

if TYPE_CHECKING:
    from airgap_bundle.manifest.fields import Fields

# Stands where a complaint was made; no entry is made of it.
_NO_IMAGE = (Reference(host="localhost", repository="nothing"), "")
# An address or argument of a signing identity; what Fulcio issues is far shorter.
_MAX_IDENTITY_BYTES = 512


def platforms(value: Value) -> tuple[Platform, ...]:
    """A list of at least one platform, none twice."""
    result = value.items(converted(_platform))
    if isinstance(value.node, SequenceNode) and not value.node.items:
        raise ComplaintError("an empty list of platforms", hint="leave the key out to take every platform")
    if len(set(result)) != len(result):
        raise InvalidValueError("a platform stands here twice")
    return result


def image(value: Value) -> ImageEntry:
    """`HOST/NAME:TAG`, the place of an image in a file, or a map with `image`."""
    if value.is_text:
        written = text(value)
        reference, origin = words.image_source(written)
        return ImageEntry(reference=reference, written=written, origin=origin, place=value.place, where=value.path)
    fields = _fields(value, "a reference or a map with 'image'")
    path = fields.get("as", converted(check_repository), "")
    reference, origin = fields.get("image", converted(lambda word: words.image_source(word, path)), _NO_IMAGE)
    entry_platforms = fields.get("platforms", platforms, ())
    written = fields.required("image", text)
    fields.finish()
    return ImageEntry(
        reference=reference,
        written=written,
        origin=origin,
        platforms=entry_platforms,
        path=path,
        place=value.place,
        where=value.path,
    )


def artifact(value: Value) -> ArtifactEntry:
    """`HOST/NAME:TAG`, or a map with `artifact`."""
    if value.is_text:
        written = text(value)
        return ArtifactEntry(reference=words.reference(written), written=written, place=value.place, where=value.path)
    fields = _fields(value, "a reference or a map with 'artifact'")
    reference = fields.required("artifact", converted(words.reference))
    path = fields.get("as", converted(check_repository), "")
    written = fields.get("artifact", text, "")
    fields.finish()
    return ArtifactEntry(reference=reference, written=written, path=path, place=value.place, where=value.path)


def chart(value: Value) -> ChartEntry:
    """A map with `chart`; which keys go with it depends on where the chart is."""
    fields = _fields(value, "a map with 'chart'")
    name = fields.required("chart", text)
    version = fields.get("version", converted(words.chart_version), "")
    repo = fields.get("repo", converted(words.web_address), "")
    values = fields.get("values", listed(converted(words.local_path)), ())
    images = fields.get("images", one_of("rendered", "all", "none"), "rendered")
    path = fields.get("as", converted(check_repository), "")
    keyring = fields.get("keyring", converted(words.safe_path), "")
    reference = None
    try:
        if name and fields.has("repo"):
            _classic_chart(fields, name, version)
        elif name and name.startswith("oci://"):
            reference = _oci_chart(fields, name, version)
        elif name:
            name = _local_chart(fields, name)
    except InvalidValueError as error:
        fields.complain("chart", str(error), hint=getattr(error, "hint", ""))
    fields.finish()
    return ChartEntry(
        chart=name,
        version=version,
        repo=repo,
        reference=reference,
        values=values,
        images=images,
        path=path,
        keyring=keyring,
        place=value.place,
        where=value.path,
    )


def workload(value: Value) -> WorkloadEntry:
    """A map with one of `compose`, `kubernetes` and `list`."""
    fields = _fields(value, "a map with 'compose', 'kubernetes' or 'list'")
    kind = fields.choose("compose", "kubernetes", "list")
    path = fields.get(kind or "compose", converted(words.local_path), "")
    fields.finish()
    return WorkloadEntry(kind=kind, path=path, place=value.place, where=value.path)


def file(value: Value) -> FileEntry:
    """A map with `path` or `url`."""
    fields = _fields(value, "a map with 'path' or 'url'")
    source = fields.choose("path", "url")
    path = fields.get("path", converted(words.local_path), "")
    url = fields.get("url", converted(words.web_address), "")
    sha256 = fields.get("sha256", converted(words.file_digest), None)
    name = fields.get("as", converted(words.safe_path), "")
    if url and not fields.has("as"):
        try:
            name = words.safe_path(url.partition("?")[0].partition("://")[2].partition("/")[2].rpartition("/")[2])
        except InvalidValueError:
            fields.complain(source, "the address does not end in a file name", hint="give the file a name with 'as'")
    fields.finish()
    return FileEntry(path=path, url=url, name=name or path, sha256=sha256, place=value.place, where=value.path)


def exclude(value: Value) -> ExcludeEntry:
    """A name or pattern."""
    return ExcludeEntry(pattern=words.name_pattern(text(value)), place=value.place, where=value.path)


def verify(value: Value) -> VerifyEntry:
    """A map with `match`, and `key` or `keyless`."""
    fields = _fields(value, "a map with 'match'")
    match = fields.required("match", converted(words.name_pattern))
    fields.choose("key", "keyless")
    key = fields.get("key", converted(words.safe_path), "")
    keyless = fields.get("keyless", _keyless, {})
    fields.finish()
    return VerifyEntry(match=match, key=key, place=value.place, where=value.path, **keyless)


def _keyless(value: Value) -> dict[str, str]:
    fields = value.fields()
    issuer = fields.required("issuer", converted(words.web_address))
    fields.choose("identity", "identityPattern")
    identity = fields.get("identity", converted(_identity), "")
    pattern = fields.get("identityPattern", converted(_identity_pattern), "")
    root = fields.get("trustedRoot", converted(words.safe_path), "")
    fields.finish()
    return {"issuer": issuer, "identity": identity, "identity_pattern": pattern, "trusted_root": root}


def _identity_pattern(pattern: str) -> str:
    """The anchors are asked for so that nobody takes it for a part of an identity."""
    if not pattern.startswith("^") or not pattern.endswith("$") or len(pattern) > _MAX_IDENTITY_BYTES:
        raise ComplaintError("a pattern for identities starts with ^ and ends with $", hint="escape dots: \\.")
    try:
        re.compile(pattern)
    except re.error as error:
        raise InvalidValueError(f"not a regular expression: {error}") from error
    return _identity(pattern)


def _identity(words_: str) -> str:
    if len(words_) > _MAX_IDENTITY_BYTES or not words_.isascii() or not words_.isprintable() or " " in words_:
        raise InvalidValueError(f"not a signing identity: {words_[:160]!r}")
    return words_


def _platform(platform: str) -> Platform:
    try:
        result = Platform.parse(platform)
    except InvalidValueError as error:
        raise ComplaintError(
            f"not a platform: {platform[:80]!r}", hint="such as linux/amd64 or linux/arm/v7"
        ) from error
    if platform != platform.lower():
        raise ComplaintError(f"not a platform: {platform[:80]!r}", hint=f"did you mean {platform.lower()[:80]!r}?")
    return result


def _fields(value: Value, wanted: str) -> Fields:
    if not isinstance(value.node, MappingNode):
        raise ComplaintError(f"{wanted} is needed here", code="AB-YAML-TYPE")
    return value.fields()


def _oci_chart(fields: Fields, name: str, version: str) -> Reference | None:
    base = words.reference(name.removeprefix("oci://"))
    if "/" not in name.removeprefix("oci://"):
        raise ComplaintError("the address of the chart has no path", hint="oci://HOST/PATH")
    if name.rpartition("/")[2].partition("@")[0].count(":"):
        raise ComplaintError("the address of the chart has a tag", hint="write it as 'version'")
    if not version and base.digest is None:
        if not fields.has("version"):
            fields.complain("chart", "a chart from a registry needs a version", code="AB-YAML-REQUIRED")
        return None
    if version and not words.is_exact_version(version):
        return None
    return Reference(host=base.host, repository=base.repository, tag=chart_tag(version), digest=base.digest)


def _classic_chart(fields: Fields, name: str, version: str) -> None:
    try:
        check_repository(name)
    except InvalidValueError as error:
        raise ComplaintError(f"not the name of a chart: {name[:160]!r}") from error
    if "/" in name:
        raise ComplaintError(f"not the name of a chart: {name[:160]!r}", hint="'repo' takes the address")
    if not version and not fields.has("version"):
        fields.complain("chart", "a chart from a repository needs a version", code="AB-YAML-REQUIRED")


def _local_chart(fields: Fields, name: str) -> str:
    if "://" in name:
        scheme = name.partition("://")[0][:20]
        raise ComplaintError(f"a chart cannot come from {scheme}://", hint="use oci://…, 'repo', or a relative path")
    if "/" not in name and not name.endswith(".tgz"):
        hint = f"add 'repo', or write ./{name[:80]} for a directory"
        raise ComplaintError(f"where is the chart {name[:80]!r}?", hint=hint)
    if fields.has("version"):
        fields.complain("version", "a local chart has its version inside", hint="remove the key")
    return words.local_path(name)
