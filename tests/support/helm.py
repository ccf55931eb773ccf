"""Chart packages, provenance files and repositories, made on the spot."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from support.keys import GnuPgHome


def metadata(name: str = "app", version: str = "1.0.0", more: str = "") -> bytes:
    """A Chart.yaml."""
    return f"apiVersion: v2\nname: {name}\nversion: {version}\nappVersion: 1.10\n{more}".encode()


def package(name: str = "app", version: str = "1.0.0", *, files: Iterable[tuple[str, bytes]] = ()) -> bytes:
    """A `.tgz` with a Chart.yaml and these files besides."""
    return packed([(f"{name}/Chart.yaml", metadata(name, version)), (f"{name}/values.yaml", b"a: 1\n"), *files])


def packed(files: Iterable[tuple[str, bytes]]) -> bytes:
    """A `.tgz` of exactly these files."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, data in files:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(data), 1_700_000_000
            tar.addfile(entry, io.BytesIO(data))
    return gzip.compress(raw.getvalue(), mtime=0)


def provenance(
    home: GnuPgHome, key: str, data: bytes, *, name: str = "app", version: str = "1.0.0", file: str = ""
) -> bytes:
    """A `.prov` that says of `data` what Helm would say."""
    digest = hashlib.sha256(data).hexdigest()
    text = metadata(name, version) + f"\n...\nfiles:\n  {file or f'{name}-{version}.tgz'}: sha256:{digest}\n".encode()
    return home.gpg("--local-user", key, "--clearsign", data=text)


def index(*entries: tuple[str, str, str, str]) -> str:
    """An index.yaml of (name, version, address, digest); an empty digest is left out."""
    lines = ["apiVersion: v1", "entries:"]
    for name in dict.fromkeys(entry[0] for entry in entries):
        lines.append(f"  {name}:")
        for other, version, url, digest in entries:
            if other == name:
                lines += [f"  - name: {name}", f"    version: {version}", f"    urls: [{url!r}]"]
                lines += [f"    digest: {digest}"] if digest else []
                # What indexes are full of, and our own documents may not hold.
                lines += ["    created: 2020-01-01T00:00:00.5Z", '    description: "tab\\there \\u202e"']
    return "\n".join([*lines, "generated: 2020-01-01T00:00:00Z", ""])


def sha256(data: bytes) -> str:
    """As an index writes it."""
    return hashlib.sha256(data).hexdigest()
