"""Bad input of whole trips: one clear sentence, the documented exit status, and nothing at the destination.

What each module refuses is tested beside it; here a person types the command, and looks what it has left behind.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import tarfile
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from importlib import resources
from typing import TYPE_CHECKING, Any

import pytest
from support.bundles import Parts, parts_of
from support.content import pointer
from support.helm import index, package, provenance
from support.images import artifact, cosign_signature, multi_arch_image, referrer, single_image
from support.scripted_server import Received, ScriptedServer, answer
from support.trip import Said, Trip, catalogue, client, keys, make_trip, run

from airgap_bundle.bundle import reader as reader_module
from airgap_bundle.bundle.inventory import BlobEntry, dump_inventory
from airgap_bundle.bundle.signatures import SignatureFile
from airgap_bundle.connected import contents, locking
from airgap_bundle.connected.weight import Weight
from airgap_bundle.core.content import Digest
from airgap_bundle.core.oci import FOREIGN_LAYER_TYPES, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, parse_document

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from support.content import ImageContent

    from airgap_bundle.core.oci import Document

PATH = "/v2/acme/app"


@pytest.fixture
def trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trip]:
    with make_trip(tmp_path, monkeypatch) as made:
        yield made


def assert_refused(trip: Trip, said: Said, status: int, code: str, *words: str) -> None:
    """The oracle of every refusal."""
    assert said.status == status, said.err
    error = said.json["error"]
    assert error["code"] == code, error
    assert all(word in error["message"] for word in words), error
    # One sentence, what to do, and a page.
    assert "\n" not in error["message"]
    assert not error["message"].endswith(".")
    assert error["hint"]
    page = resources.files("airgap_bundle.pages").joinpath(f"{code}.md").read_text("utf-8")
    assert re.search(rf"exit status is {status}\b|exit status {status}\b", page) or "exit status" not in page, page
    # Nothing has come to be: no bundle outside, no repository inside.
    assert [file.name for file in trip.path.glob("*.tar*") if file.name != "given.tar"] == []
    assert catalogue(trip.inner) == []


def locked(trip: Trip) -> Said:
    return trip.lock("--format", "json")


def built(trip: Trip, *options: object) -> Said:
    out = ("-o", trip.path / "acme.tar", "--format", "json")
    return run("airgap-export", "build", trip.path / "acme.yaml", *out, *options)


def pushed(trip: Trip, parts: Parts) -> Said:
    """Push a bundle that was put together by hand, and signed by who may."""

    def sign(data: bytes) -> list[SignatureFile]:
        signature = keys().home.sign(data, keys().release)
        return [SignatureFile(name=f"openpgp-{keys().release}.sig", data=signature)]

    return trip.push(parts.signed_by(sign).write(trip.path / "given.tar"), "", "--format", "json")


@contextmanager
def source(trip: Trip, answers: Mapping[str, bytes]) -> Iterator[ScriptedServer]:
    """A registry that gives these answers for GET below `acme/app`; the manifest names its image 1.0."""
    with ScriptedServer() as server:
        for target, reply in answers.items():
            server.always("GET", f"{PATH}/{target}", reply)
        trip.manifest_of_images(f"{server.address}/acme/app:1.0")
        yield server


def document_answer(document: Document) -> bytes:
    return answer(200, document.raw, content_type=document.descriptor.media_type)


def listing(*attached: Document, **headers: str) -> bytes:
    value = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [pointer(each) for each in attached]}
    return answer(200, json.dumps(value), content_type=OCI_INDEX, **headers)


# What belongs to what


def test_a_referrer_of_an_image_that_is_not_in_the_set(trip: Trip) -> None:
    image, other = single_image("app"), single_image("other")
    stray = referrer(other.root)
    answers = {
        "manifests/1.0": document_answer(image.root),
        f"referrers/{image.digest}": listing(stray.root),
        f"manifests/{stray.digest}": document_answer(stray.root),
    }
    with source(trip, answers):
        assert_refused(trip, locked(trip), 5, "AB-REGISTRY-DOCUMENT", stray.digest, image.digest)


def test_a_bundle_with_a_referrer_of_an_image_that_is_not_in_it(trip: Trip) -> None:
    image, other = single_image("app"), single_image("other")
    stray = referrer(other.root)
    parts = parts_of({("library/app", "1.0"): image.with_referrers(stray)})
    assert_refused(trip, pushed(trip, parts), 4, "AB-BUNDLE-SUBJECT", stray.digest, other.digest)


def test_a_bundle_that_lists_a_referrer_for_another_image_than_its_own(trip: Trip) -> None:
    image, other = single_image("app"), single_image("other")
    stray = referrer(other.root)
    parts = parts_of({("library/app", "1.0"): image.with_referrers(stray)})
    items = [replace(item, subject=image.digest) if item.subject else item for item in parts.inventory.items]
    parts = parts.with_inventory(items=tuple(items))
    assert_refused(trip, pushed(trip, parts), 4, "AB-BUNDLE-SUBJECT", stray.digest, image.digest)


def test_a_list_of_referrers_that_pages_for_ever(trip: Trip) -> None:
    image = single_image("app")
    target = f"{PATH}/referrers/{image.digest}"

    def page(request: Received) -> bytes:
        number = int(request.target.partition("last=")[2] or 0)
        return listing(link=f'<{target}?last={number + 1}>; rel="next"')

    with source(trip, {"manifests/1.0": document_answer(image.root)}) as server:
        server.always("GET", target, page)
        assert_refused(trip, locked(trip), 5, "AB-REGISTRY-ANSWER", image.digest, "more than 100 pages")


def test_a_child_that_the_registry_does_not_have(trip: Trip) -> None:
    image = multi_arch_image("app")
    child = image.root.children[0].descriptor.digest
    answers = {"manifests/1.0": document_answer(image.root), f"manifests/{child}": answer(404)}
    with source(trip, answers):
        assert_refused(trip, locked(trip), 5, "AB-REGISTRY-MISSING", child)


def test_a_delta_whose_base_never_came(trip: Trip) -> None:
    whole = parts_of({("library/app", "1.0"): single_image("app")})
    layer = whole.inventory.blobs[-1]
    base = Digest.of(b"the base")
    parts = replace(whole, blobs={digest: data for digest, data in whole.blobs.items() if digest != layer.digest})
    parts = parts.with_inventory(blobs=whole.inventory.blobs[:-1], assumed=(layer,), base=(base,))
    assert_refused(trip, pushed(trip, parts), 4, "AB-BUNDLE-BASE", base, layer.digest)
    # Where it has come the rest is taken.
    image = single_image("app")
    with client(trip.inner.address) as registry:
        image.push_to(registry, "mirror/registry.example/library/app", "base")
    assert pushed(trip, parts).status == 0


# Names


def test_two_entries_that_would_land_on_one_name(trip: Trip) -> None:
    one, two = trip.put({("acme/one", "1"): single_image("one"), ("acme/two", "1"): single_image("two")})
    trip.write_manifest("images:", *(f"  - {{image: {name!r}, as: acme/app}}" for name in (one, two)))
    assert_refused(trip, locked(trip), 2, "AB-MANIFEST-ERRORS")


def test_two_items_of_a_lock_that_would_land_on_one_name(trip: Trip) -> None:
    """One image under two tags, locked before and after its signature was replaced."""
    image = single_image("app")
    tag, signature = cosign_signature(image.root)
    one, two = trip.put({("acme/app", "1.0"): image, ("acme/app", "1"): image})
    trip.put({("acme/app", tag): signature})
    trip.manifest_of_images(one)
    assert locked(trip).status == 0
    trip.put({("acme/app", tag): artifact("another signature")})
    trip.manifest_of_images(one, two)
    assert locked(trip).status == 0
    assert_refused(trip, built(trip), 2, "AB-LOCK-COLLISION", f"acme/app:{tag}", signature.digest)
    assert trip.lock("--update-all").status == 0
    assert built(trip).status == 0


def test_two_items_of_a_bundle_that_would_land_on_one_name(trip: Trip) -> None:
    parts = parts_of({("library/app", "1"): single_image("one"), ("library/app", "2"): single_image("two")})
    raw = dump_inventory(parts.inventory).replace(b'"tag":"2"', b'"tag":"1"')
    said = pushed(trip, replace(parts, raw_inventory=raw))
    assert_refused(trip, said, 4, "AB-BUNDLE-INVENTORY", "library/app:1")


# Charts


def test_a_chart_whose_provenance_is_that_of_another(trip: Trip) -> None:
    (trip.path / "app.tgz").write_bytes(package())
    other = package(files=[("app/x", b"")])
    (trip.path / "app.tgz.prov").write_bytes(provenance(keys().home, keys().release, other))
    trip.write_manifest("charts: [{chart: ./app.tgz, images: none}]")
    assert_refused(trip, locked(trip), 2, "AB-CHART-LOCAL", "app-1.0.0.tgz")


def test_a_classic_repository_whose_provenance_is_that_of_another(trip: Trip) -> None:
    other = package(files=[("app/x", b"")])
    files = {
        "index.yaml": index(("app", "1.0.0", "app.tgz", "")).encode(),
        "app.tgz": package(),
        "app.tgz.prov": provenance(keys().home, keys().release, other),
    }
    with ScriptedServer() as server:
        for name, data in files.items():
            server.always("GET", f"/{name}", answer(200, data))
        trip.write_manifest(f"charts: [{{chart: app, repo: 'http://{server.address}', version: 1.0.0, images: none}}]")
        assert_refused(trip, locked(trip), 5, "AB-CHART-PACKAGE", "app-1.0.0.tgz")


def test_a_package_that_unpacks_to_gigabytes(trip: Trip) -> None:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as tar:
        entry = tarfile.TarInfo("app/zeros")
        entry.size = 8 * 1024**3
        tar.addfile(entry)
    (trip.path / "app.tgz").write_bytes(gzip.compress(raw.getvalue()[:512] + bytes(120 * 1024 * 1024), 1))
    trip.write_manifest("charts: [{chart: ./app.tgz, images: none}]")
    assert_refused(trip, locked(trip), 2, "AB-CHART-LOCAL", "unpack to more than")


# Content that cannot be carried


def image_with_a_layer(media_type: str, layer: bytes = b"foreign") -> tuple[Document, bytes]:
    config = b"{}"
    value: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": Digest.of(config), "size": len(config)},
        "layers": [{"mediaType": media_type, "digest": Digest.of(layer), "size": len(layer)}],
    }
    return parse_document(json.dumps(value).encode(), OCI_MANIFEST), config


@pytest.mark.parametrize("media_type", sorted(FOREIGN_LAYER_TYPES))
def test_a_foreign_layer(trip: Trip, media_type: str) -> None:
    document, _ = image_with_a_layer(media_type)
    with source(trip, {"manifests/1.0": document_answer(document)}):
        said = locked(trip)
        assert_refused(trip, said, 5, "AB-REGISTRY-DOCUMENT", Digest.of(b"foreign"), "foreignLayers: carry")


def test_a_foreign_layer_that_is_wanted_and_that_the_registry_does_not_have(trip: Trip) -> None:
    document, config = image_with_a_layer(min(FOREIGN_LAYER_TYPES))
    answers = {
        "manifests/1.0": document_answer(document),
        f"manifests/{document.descriptor.digest}": document_answer(document),
        f"blobs/{Digest.of(config)}": answer(200, config),
        f"blobs/{Digest.of(b'foreign')}": answer(404),
    }
    with source(trip, answers) as server:
        lines = ("images:", f"  - {server.address}/acme/app:1.0", "foreignLayers: carry", "referrers: none")
        trip.write_manifest(*lines)
        assert locked(trip).status == 0
        said = built(trip, "--jobs", 1)
    assert (said.status, said.json["error"]["code"]) == (5, "AB-REGISTRY-NOT-FOUND"), said.err
    assert Digest.of(b"foreign") in said.json["error"]["message"]
    assert not (trip.path / "acme.tar").exists()


def test_an_attachment_with_content_named_by_sha512(trip: Trip) -> None:
    image = single_image("app")
    strange = artifact("strange", subject=image.root)
    layer = strange.root.layers[0].digest
    raw = strange.root.raw.replace(layer.encode(), Digest.of(b"x", "sha512").encode())
    attached = parse_document(raw, OCI_MANIFEST)
    answers = {
        "manifests/1.0": document_answer(image.root),
        f"referrers/{image.digest}": listing(attached),
        f"manifests/{attached.descriptor.digest}": document_answer(attached),
    }
    with source(trip, answers):
        assert_refused(trip, locked(trip), 5, "AB-REGISTRY-DOCUMENT", "sha512")


# Logins


def test_a_registry_that_asks_for_the_login_of_another(trip: Trip) -> None:
    """The login is for a registry of the person; a stranger sends everybody to that one's token server."""
    asked: list[str] = []
    with ScriptedServer() as stranger, ScriptedServer() as own:
        own.always("GET", "/token", lambda request: _note(asked, request.headers.get("authorization", "")))
        challenge = f'Bearer realm="http://{own.address}/token",service="own"'
        refusal = answer(401, "{}", content_type="application/json", www_authenticate=challenge)
        stranger.always("GET", f"{PATH}/manifests/1.0", refusal)
        (trip.path / "auth.json").write_text(json.dumps({"auths": {own.address: {"auth": "b3duOnNlY3JldA=="}}}))
        trip.manifest_of_images(f"{stranger.address}/acme/app:1.0")
        said = trip.lock("--authfile", trip.path / "auth.json", "--format", "json")
        assert_refused(trip, said, 5, "AB-REGISTRY-UNAUTHORIZED")
        assert set(asked) <= {""}
        assert all("authorization" not in request.headers for request in stranger.received)


def _note(asked: list[str], login: str) -> bytes:
    asked.append(login)
    return answer(401, "{}", content_type="application/json")


# More than fits


def attached_image(trip: Trip) -> ImageContent:
    image = single_image("app")
    image = image.with_referrers(*(referrer(image.root, f"sbom-{number}") for number in range(3)))
    trip.manifest_of_images(*trip.put({("acme/app", "1.0"): image}))
    return image


def test_more_documents_than_a_lock_may_name(trip: Trip, monkeypatch: pytest.MonkeyPatch) -> None:
    image = attached_image(trip)
    monkeypatch.setattr(locking, "Weight", partial(Weight, limit_bytes=image.root.descriptor.size + 100))
    assert_refused(trip, locked(trip), 2, "AB-LOCK-TOO-LARGE")
    assert not (trip.path / "acme.lock.yaml").exists()


def test_more_documents_than_a_build_may_fetch(trip: Trip, monkeypatch: pytest.MonkeyPatch) -> None:
    image = attached_image(trip)
    assert locked(trip).status == 0
    monkeypatch.setattr(contents, "Weight", partial(Weight, limit_bytes=image.root.descriptor.size + 100))
    assert_refused(trip, built(trip), 2, "AB-LOCK-TOO-LARGE")


def test_more_documents_than_an_import_keeps_in_memory(trip: Trip, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = parts_of({("library/app", "1.0"): multi_arch_image("app")})
    monkeypatch.setattr(reader_module, "MAX_DOCUMENTS_BYTES", 2000)
    assert_refused(trip, pushed(trip, parts), 4, "AB-BUNDLE-DOCUMENTS", "2000 bytes")


def test_a_blob_that_is_assumed_and_carried_at_once(trip: Trip) -> None:
    parts = parts_of({("library/app", "1.0"): single_image("app")})
    first = parts.inventory.blobs[0]
    other = BlobEntry(digest=Digest.of(b"other"), size=first.size)
    raw = dump_inventory(replace(parts.inventory, assumed=(other,), base=(first.digest,)))
    raw = raw.replace(other.digest.encode(), first.digest.encode())
    assert_refused(trip, pushed(trip, replace(parts, raw_inventory=raw)), 4, "AB-BUNDLE-INVENTORY", "listed twice")
