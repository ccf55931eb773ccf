#!/usr/bin/env python3
"""Small images for the quickstart: made on the spot, pushed to a registry on this machine, and listed again.

    small_images.py fill HOST:PORT      an image for two platforms with attestations and an SBOM, one that shares its
                                        base layer, and a Helm chart
    small_images.py list HOST:PORT      what a registry holds: every tag, its digest, and what refers to it
    small_images.py same HOST:PORT HOST:PORT/PATH
                                        whether all that the first one holds is below PATH of the second, unchanged

Nothing but Python's own library, so that it also shows how little a registry asks for. Plain HTTP; for loopback only.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import re
import sys
import tarfile
import urllib.parse
import urllib.request
from typing import Any

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
IN_TOTO = "application/vnd.in-toto+json"
SPDX = "application/spdx+json"
EMPTY = "application/vnd.oci.empty.v1+json"
HELM_CONFIG = "application/vnd.cncf.helm.config.v1+json"
HELM_CHART = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
PROVENANCE = "https://slsa.dev/provenance/v1"
MADE_AT = "2026-01-01T00:00:00Z"
TIMEOUT_SECONDS = 30
# The tags under which an import keeps each image, whatever happens to the others.
ANCHOR = re.compile(r":airgap-[0-9a-f]{12}-[0-9a-f]{8}$")

Descriptor = dict[str, Any]


class Registry:
    """The few requests of the OCI distribution specification that a push and a list need."""

    def __init__(self, host: str) -> None:
        self.base = f"http://{host}"
        # Proxies are for other machines than this one.
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask(self, method: str, url: str, body: bytes | None = None, **headers: str) -> tuple[Any, bytes]:
        """Send one request; the headers and the body of the answer."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        target = urllib.parse.urljoin(self.base, url)
        request = urllib.request.Request(target, body, named, method=method)  # noqa: S310 - HTTP on loopback only
        with self.opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
            return answer.headers, answer.read()

    def blob(self, repository: str, media_type: str, data: bytes) -> Descriptor:
        """Upload a blob; its descriptor."""
        digest = digest_of(data)
        place = self.ask("POST", f"/v2/{repository}/blobs/uploads/", b"")[0]["Location"]
        place += ("&" if "?" in place else "?") + urllib.parse.urlencode({"digest": digest})
        self.ask("PUT", place, data, Content_Type="application/octet-stream")
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def manifest(self, repository: str, document: Descriptor, tag: str = "") -> Descriptor:
        """Put a manifest under a tag, or under its digest alone; its descriptor."""
        data = json.dumps(document).encode()
        digest, media_type = digest_of(data), document["mediaType"]
        self.ask("PUT", f"/v2/{repository}/manifests/{tag or digest}", data, Content_Type=media_type)
        return {"mediaType": media_type, "digest": digest, "size": len(data)}


def digest_of(data: bytes) -> str:
    """The digest of these bytes, as registries write it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def tar_of(files: dict[str, bytes]) -> bytes:
    """A tar of these files, the same whenever it is made."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def noise(seed: str, size: int) -> bytes:
    """Bytes that do not compress, the same for the same seed."""
    return random.Random(seed).randbytes(size)  # noqa: S311 - filling, not a secret


def push_image(registry: Registry, repository: str, name: str, architecture: str) -> Descriptor:
    """An image for one platform: a base layer that every image of ours shares, and a layer of its own."""
    layers = {
        "base": tar_of({"usr/lib/base.so": noise(f"base {architecture}", 300_000)}),
        name: tar_of({f"usr/bin/{name}": noise(f"{name} {architecture}", 60_000)}),
    }
    config = {
        "architecture": architecture,
        "os": "linux",
        "created": MADE_AT,
        "config": {"Entrypoint": [f"/usr/bin/{name}"]},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers.values()]},
    }
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": registry.blob(repository, CONFIG, json.dumps(config).encode()),
        "layers": [registry.blob(repository, LAYER, gzip.compress(layer, mtime=0)) for layer in layers.values()],
    }
    platform = {"architecture": architecture, "os": "linux"}
    return {**registry.manifest(repository, document), "platform": platform}


def push_attestation(registry: Registry, repository: str, image: Descriptor) -> Descriptor:
    """What BuildKit adds to an image: who built it from what, as a sibling inside the same index."""
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "predicateType": PROVENANCE,
        "subject": [{"name": repository, "digest": {"sha256": image["digest"].partition(":")[2]}}],
        "predicate": {"builder": "examples/quickstart"},
    }
    data = json.dumps(statement).encode()
    config = {
        "architecture": "unknown",
        "os": "unknown",
        "rootfs": {"type": "layers", "diff_ids": [digest_of(data)]},
    }
    layer = {**registry.blob(repository, IN_TOTO, data), "annotations": {"in-toto.io/predicate-type": PROVENANCE}}
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": registry.blob(repository, CONFIG, json.dumps(config).encode()),
        "layers": [layer],
    }
    return {
        **registry.manifest(repository, document),
        "platform": {"architecture": "unknown", "os": "unknown"},
        "annotations": {
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": image["digest"],
        },
    }


def push_application(registry: Registry) -> None:
    """`acme/app:1.0`: two platforms, an attestation for each, and an SBOM that refers to the whole."""
    repository = "acme/app"
    images = [push_image(registry, repository, "app", architecture) for architecture in ("amd64", "arm64")]
    attestations = [push_attestation(registry, repository, image) for image in images]
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [*images, *attestations]}
    subject = registry.manifest(repository, index, "1.0")
    sbom = {"spdxVersion": "SPDX-2.3", "name": "acme-app", "packages": [{"name": "base", "versionInfo": "1.0"}]}
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": SPDX,
        "config": registry.blob(repository, EMPTY, b"{}"),
        "layers": [registry.blob(repository, SPDX, json.dumps(sbom).encode())],
        "subject": subject,
    }
    registry.manifest(repository, document)


def push_worker(registry: Registry) -> None:
    """`acme/worker:1.0`: an image for one platform, whose base layer is that of the application."""
    repository = "acme/worker"
    image = push_image(registry, repository, "worker", "amd64")
    document = registry.ask("GET", f"/v2/{repository}/manifests/{image['digest']}", Accept=MANIFEST)[1]
    registry.ask("PUT", f"/v2/{repository}/manifests/1.0", document, Content_Type=MANIFEST)


def push_chart(registry: Registry) -> None:
    """`charts/acme:1.0.0`: a Helm chart, as `helm push` stores it."""
    repository = "charts/acme"
    about = {"apiVersion": "v2", "name": "acme", "version": "1.0.0", "appVersion": "1.0"}
    chart = tar_of(
        {
            "acme/Chart.yaml": "".join(f"{key}: {value}\n" for key, value in about.items()).encode(),
            "acme/values.yaml": b"image: registry.example.com/acme/app:1.0\n",
        }
    )
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": registry.blob(repository, HELM_CONFIG, json.dumps(about).encode()),
        "layers": [registry.blob(repository, HELM_CHART, gzip.compress(chart, mtime=0))],
    }
    registry.manifest(repository, document, "1.0.0")


def contents(registry: Registry) -> dict[str, list[str]]:
    """Every tag of a registry, and for each its digest and then what refers to it."""
    found = {}
    for repository in json.loads(registry.ask("GET", "/v2/_catalog")[1])["repositories"]:
        for tag in json.loads(registry.ask("GET", f"/v2/{repository}/tags/list")[1])["tags"] or []:
            accept = f"{INDEX}, {MANIFEST}"
            digest = digest_of(registry.ask("GET", f"/v2/{repository}/manifests/{tag}", Accept=accept)[1])
            referrers = json.loads(registry.ask("GET", f"/v2/{repository}/referrers/{digest}")[1])["manifests"]
            attached = sorted(f"with {each['artifactType']} {each['digest'][:19]}…" for each in referrers)
            found[f"{repository}:{tag}"] = [digest, *attached]
    return found


def print_list(registry: Registry) -> None:
    """What a registry holds, the tags that only keep content apart."""
    found = contents(registry)
    used = {name: lines for name, lines in sorted(found.items()) if not ANCHOR.search(name)}
    for name, lines in used.items():
        print("\n  ".join((name, *lines)))
    if not used:
        print("(no tag that anybody uses)")
    if anchors := len(found) - len(used):
        plural = "" if anchors == 1 else "s"
        print(f"({anchors} tag{plural} named airgap-… besides, to keep content from being cleaned away)")


def print_comparison(outside: Registry, inside: Registry, path: str) -> bool:
    """Whether everything in the one registry is in the other below `path`, byte for byte the same."""
    arrived = contents(inside)
    wrong = [name for name, lines in contents(outside).items() if arrived.get(f"{path}/{name}") != lines]
    for name in wrong:
        print(f"{name}: not the same inside")
    return not wrong


def main(arguments: list[str]) -> int:
    """Do what the command line asks for; the exit status."""
    match arguments:
        case ["fill", host]:
            for push in (push_application, push_worker, push_chart):
                push(Registry(host))
        case ["list", host]:
            print_list(Registry(host))
        case ["same", outside, inside]:
            host, _, path = inside.partition("/")
            return 0 if print_comparison(Registry(outside), Registry(host), path) else 1
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
