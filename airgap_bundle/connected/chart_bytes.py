"""The packed chart (`.tgz`) behind a chart of a lock, wherever it comes from: a registry, a repository, the disk."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from airgap_bundle.connected.chart_parts import open_part
from airgap_bundle.core.content import copy_verified, new_buffer
from airgap_bundle.core.errors import RegistryError
from airgap_bundle.discovery import archive
from airgap_bundle.trust.provenance import CHART_LAYER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airgap_bundle.connected.sources import Sources
    from airgap_bundle.manifest.entries import ChartEntry
    from airgap_bundle.manifest.locked import LockedItem

_LEGACY_LAYER = "application/tar+gzip"


def packed_chart(chart: ChartEntry, item: LockedItem, sources: Sources) -> bytes:
    """Exactly the bytes that were locked.

    Raises `RegistryError` where a registry lost them or holds something else under the name, `DocumentError` where a
    file on the disk is another one by now.
    """
    if item.parts:
        return b"".join(_pieces(chart, item, sources))
    host, _, repository = item.source.partition("@")[0].partition("/")
    reference = chart.reference
    if reference is not None:
        host, repository = reference.host, reference.repository
    document = sources.document(host, repository, item.digest)
    layers = [one for one in document.layers if one.media_type in {CHART_LAYER, _LEGACY_LAYER}]
    if not layers or layers[0].size > archive.MAX_ARCHIVE_BYTES:
        raise RegistryError(
            "AB-CHART-PACKAGE",
            f"{chart.place}: {chart.source} holds no chart of at most {archive.MAX_ARCHIVE_BYTES} bytes",
            hint="check the reference; `images: none` carries it without looking for images",
        )
    layer, sink = layers[0], io.BytesIO()
    with sources.registry(host).open_blob(repository, layer.digest, layer.size) as source:
        copy_verified(source, sink, digest=layer.digest, size=layer.size, buffer=new_buffer(max(1, layer.size)))
    return sink.getvalue()


def _pieces(chart: ChartEntry, item: LockedItem, sources: Sources) -> Iterator[bytes]:
    buffer, left = memoryview(bytearray(64 * 1024)), archive.MAX_ARCHIVE_BYTES
    with open_part(item.parts[0], sources.stock, chart.place) as source:
        while (count := source.readinto(buffer)) and left >= 0:
            left -= count
            yield bytes(buffer[:count])
