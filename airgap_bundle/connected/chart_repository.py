"""Classic chart repositories: `index.yaml` read within limits, and the one version that was asked for found in it.

Nothing in an index is believed but where a package lies and what its digest should be; the package itself is checked
when it is there. Helm, "The Chart Repository Guide".
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import DocumentError, InvalidValueError, RegistryError
from airgap_bundle.manifest.looseyaml import entry, items, text_of, texts
from airgap_bundle.manifest.yamltext import complaint_of, parse_foreign

if TYPE_CHECKING:
    from airgap_bundle.connected.downloads import WebClient
    from airgap_bundle.manifest.yamltext import Node

# The largest public indexes have 10 to 25 MB. Reading one takes 8 microseconds a value: sixteen seconds for the worst.
MAX_INDEX_BYTES = 40 * 1024 * 1024
MAX_INDEX_NODES = 2_000_000
# Versions that are named where the one asked for is not there.
_SHOWN_VERSIONS = 5
_HEX_DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{64})")


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """One version of a chart in an index. `digest` is None where the index gives none."""

    url: str
    digest: Digest | None


class Indexes:
    """Indexes of repositories, each fetched once. Safe between threads."""

    def __init__(self, web: WebClient) -> None:
        self._web = web
        self._raw: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def find(self, repo: str, chart: str, version: str) -> Listed:
        """Where a version of a chart lies; `RegistryError` where the repository does not have it, or no index."""
        place = index_address(repo)
        try:
            node = parse_foreign(
                self._fetch(repo, place),
                place,
                max_bytes=MAX_INDEX_BYTES,
                max_nodes=MAX_INDEX_NODES,
                keep=("entries", chart),
            )
        except DocumentError as error:
            raise _malformed(place, complaint_of(error)) from error
        versions = items(entry(node, "entries", chart))
        if not versions:
            raise RegistryError(
                "AB-CHART-NOT-FOUND", f"{place} lists no chart {chart}", hint="check the spelling of the chart"
            )
        found = [item for item in versions if text_of(entry(item, "version")) == version]
        if not found:
            known = ", ".join(text_of(entry(item, "version"))[:40] for item in versions[:_SHOWN_VERSIONS])
            raise RegistryError(
                "AB-CHART-NOT-FOUND",
                f"{place} lists no version {version} of {chart}; it has {known} …",
                hint="a version is written exactly as the index has it",
            )
        try:
            return _listed(place, found[0])
        except InvalidValueError as error:
            raise _malformed(place, f"{chart} {version}: {error}") from error

    def _fetch(self, repo: str, place: str) -> bytes:
        # Held while fetching: who wants the same index waits for it instead of fetching it again.
        with self._lock:
            if repo not in self._raw:
                raw = self._web.get(place, limit=MAX_INDEX_BYTES)
                if raw is None:
                    raise RegistryError(
                        "AB-CHART-NOT-FOUND",
                        f"{repo} is not a chart repository: it has no index.yaml",
                        hint="name the address that `helm repo add` takes",
                    )
                self._raw[repo] = raw
            return self._raw[repo]


def index_address(repo: str) -> str:
    """The address of a repository's index; a query stays behind it."""
    path, question, query = repo.partition("?")
    return f"{path.rstrip('/')}/index.yaml{question}{query}"


def _listed(place: str, node: Node) -> Listed:
    urls = texts(entry(node, "urls"))
    if not urls:
        raise InvalidValueError("no address is given")
    digest = text_of(entry(node, "digest"))
    match = _HEX_DIGEST.fullmatch(digest)
    if digest and match is None:
        raise InvalidValueError(f"its digest is not a SHA-256: {digest[:80]!r}")
    if len(urls[0]) > _MAX_URL_CHARACTERS or not urls[0].isascii() or not urls[0].isprintable() or " " in urls[0]:
        raise InvalidValueError("its address is not one")
    try:
        url = urljoin(place.partition("?")[0], urls[0])
    except ValueError as error:
        raise InvalidValueError("its address is not one") from error
    if not url.startswith(("https://", "http://")) or "@" in url.partition("://")[2].partition("/")[0]:
        raise InvalidValueError("its address is neither http nor https, or holds a login")
    return Listed(url=url, digest=Digest(f"sha256:{match[1]}") if match else None)


# As long as what a lock file holds.
_MAX_URL_CHARACTERS = 2048


def _malformed(place: str, what: str) -> RegistryError:
    return RegistryError(
        "AB-CHART-INDEX", f"the index {place} cannot be used: {what}", hint="have it repaired by its publisher"
    )
