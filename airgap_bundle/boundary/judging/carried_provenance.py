"""The provenance file that a chart brings along: which package it is about, and which key of the policy signed it.

Helm puts it into the chart's OCI artifact as a layer behind the package; so do we with charts that come as files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.core import strictjson
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.oci import HELM_CONFIG
from airgap_bundle.manifest.entries import chart_tag
from airgap_bundle.trust.policy_model import Method
from airgap_bundle.trust.provenance import (
    CHART_LAYER,
    MAX_PROVENANCE_BYTES,
    PROVENANCE_LAYER,
    check_by,
    check_package,
    parse_provenance,
)
from airgap_bundle.trust.upstream_judging import Vouched

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from airgap_bundle.core.content import Descriptor
    from airgap_bundle.core.oci import Document
    from airgap_bundle.trust.policy_model import OpenPgpKey

# Chart.yaml as JSON; what `chart_package` allows on the connected side.
_MAX_CONFIG_BYTES = 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class ChartParts:
    """What a chart's artifact is made of, as far as it matters here. `read` gives a blob, its digest checked."""

    package: Descriptor
    provenance: Descriptor
    config: Descriptor
    read: Callable[[Descriptor, int], bytes]

    @property
    def small(self) -> tuple[Descriptor, ...]:
        """What has to be read for `judge_provenance`."""
        return self.provenance, self.config


def parts_of(document: Document, read: Callable[[Descriptor, int], bytes]) -> ChartParts | None:
    """The parts, where the artifact is Helm's and has exactly one package and one provenance file; else None.

    Nothing else beside them: the signature is over the package alone, and must not vouch for layers of an image.
    """
    packages = [layer for layer in document.layers if layer.media_type == CHART_LAYER]
    files = [layer for layer in document.layers if layer.media_type == PROVENANCE_LAYER]
    if len(packages) != 1 or len(files) != 1 or len(document.layers) != len(packages) + len(files):
        return None
    if document.config is None or document.config.media_type != HELM_CONFIG:
        return None
    return ChartParts(package=packages[0], provenance=files[0], config=document.config, read=read)


def judge_provenance(
    parts: ChartParts, key: OpenPgpKey, *, tag: str, now: dt.datetime, name: str
) -> tuple[Vouched, str]:
    """Who vouches for the package, and by which key or subkey; `InvalidValueError` or `TrustError` where nobody does.

    1. The file is exactly one cleartext signature.
    2. It speaks of this package, under the name that Helm will look for, and of the version that `tag` stands for: an
       old chart under a new tag would be signed as well.
    3. The pinned key has signed it.
    """
    # 1.
    provenance = parse_provenance(parts.read(parts.provenance, MAX_PROVENANCE_BYTES), name)
    # 2.
    chart, version = _named(parts)
    if tag and tag != chart_tag(version):
        raise InvalidValueError(f"it is about version {version[:80]}, and the tag is {tag}")
    check_package(provenance, f"{chart}-{version}.tgz", parts.package.digest)
    # 3.
    verified = check_by(provenance, key.public_key, now=now, name=name)
    vouched = Vouched(by=f"openpgp {verified.fingerprint}", method=Method.OPENPGP, name=verified.fingerprint)
    return vouched, verified.signing_fingerprint


def _named(parts: ChartParts) -> tuple[str, str]:
    """Name and version, as the config has them: the provenance file has to know a package of just that name."""
    raw = parts.read(parts.config, _MAX_CONFIG_BYTES)
    config = strictjson.parse_object(raw, max_bytes=_MAX_CONFIG_BYTES, floats=True)
    name, version = config.get("name"), config.get("version")
    if not isinstance(name, str) or not isinstance(version, str):
        raise InvalidValueError("the chart does not say its name and version")
    return name, version
