"""A bill of materials with one part of each kind, and one whose every text is hostile."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from airgap_bundle.core.content import Digest
from airgap_bundle.core.oci import OCI_INDEX, OCI_MANIFEST, Reference
from airgap_bundle.output.bill import Bill, Part

IMAGE = Part(
    kind="image",
    source="docker.io/library/redis:7.2.4",
    reference=Reference.parse("docker.io/library/redis:7.2.4"),
    version="7.2.4",
    path="docker.io/library/redis:7.2.4",
    digest=Digest.of(b"image"),
    size=1000,
    media_type=OCI_INDEX,
    platforms=("linux/amd64", "linux/arm64"),
    verdicts=({"rule": "docker.io/**", "by": "key sha256:ab", "signature": Digest.of(b"signature")},),
)
PARTS = (
    IMAGE,
    Part(
        kind="attached",
        source=f"docker.io/library/redis@{Digest.of(b'signature')}",
        reference=Reference.parse(f"docker.io/library/redis@{Digest.of(b'signature')}"),
        path="docker.io/library/redis",
        digest=Digest.of(b"signature"),
        size=500,
        media_type=OCI_MANIFEST,
        subject=IMAGE.digest,
    ),
    Part(
        kind="attached",
        source=f"docker.io/library/redis:{'a' * 20}.sig",
        reference=Reference.parse(f"docker.io/library/redis:{'a' * 20}.sig"),
        version=f"{'a' * 20}.sig",
        path=f"docker.io/library/redis:{'a' * 20}.sig",
        digest=Digest.of(b"signature of a child"),
        size=500,
        media_type=OCI_MANIFEST,
        subject=Digest.of(b"a child that is no part of its own"),
    ),
    Part(
        kind="chart",
        source="https://charts.example/stable/plane:1.7.0",
        version="1.7.0",
        path="charts.example/stable/plane:1.7.0",
        digest=Digest.of(b"chart"),
        size=2000,
        media_type=OCI_MANIFEST,
    ),
    Part(
        kind="artifact",
        source="ghcr.io/acme/Vuln-DB:2",
        reference=Reference.parse("ghcr.io/acme/vuln-db:2"),
        version="2",
        path="ghcr.io/acme/vuln-db:2",
        digest=Digest.of(b"artifact"),
        size=3000,
        media_type=OCI_MANIFEST,
    ),
    Part(
        kind="file",
        source="licences/plane.lic",
        path="licences/plane.lic",
        digest=Digest.of(b"file"),
        size=4,
        media_type="application/octet-stream",
    ),
)
BILL = Bill(
    name="plane",
    version="1.7.0",
    bundle_id=Digest.of(b"inventory"),
    created=dt.datetime(2026, 3, 1, 12, 0, 0, tzinfo=dt.UTC),
    tool_version="1.0.0",
    verified=False,
    parts=PARTS,
)
NASTY = "\x1b[31m</script>&'\"\\ \u2028\u202e\n\r\0 {{x}} 名"
HOSTILE = replace(
    BILL,
    parts=(
        *PARTS,
        *PARTS,
        replace(IMAGE, source=NASTY, reference=None, version=NASTY, verdicts=({"by": NASTY},)),
        Part(kind="file", source="/", digest=Digest.of(b""), size=0, media_type="a/b"),
    ),
)
