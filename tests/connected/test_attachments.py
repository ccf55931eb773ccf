"""Everything attached to every digest is found, locked, carried and attached again; a doubt is an error."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from support import trip
from support.clients import Recorder, options
from support.content import ImageContent, pointer
from support.images import artifact, cosign_signature, multi_arch_image, referrer, signed_referrer, single_image
from support.locks import make_lock, plan_of, write_manifest
from support.registries import debian_registry, embedded_registry
from support.scripted_server import ScriptedServer, answer, refusal

from airgap_bundle.bundle.inventory import dump_inventory, parse_inventory
from airgap_bundle.connected import attachments
from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import RegistryError
from airgap_bundle.core.oci import OCI_INDEX, OCI_MANIFEST, parse_document
from airgap_bundle.registry.client import RegistryClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from airgap_bundle.core.oci import Document

KINDS = ("embedded", "debian")


@contextmanager
def registry_of(kind: str, path: Path) -> Iterator[str]:
    """A registry with the referrers API, or Debian's, which has none: its address."""
    if kind == "debian":
        with debian_registry(path) as address:
            yield address
    else:
        with embedded_registry(path) as server:
            yield server.address


def beside(subject: Document, suffix: str) -> tuple[str, ImageContent]:
    return cosign_signature(subject, suffix=suffix)


class Rich:
    """An index with something attached to each of its documents, in every way there is."""

    def __init__(self) -> None:
        index = multi_arch_image("rich", size=100)
        amd64, arm64, statement = (index.documents[number] for number in (0, 1, 2))
        signed = signed_referrer(index.root)
        signature_tag, signature = beside(index.root, "sig")
        on_signature = referrer(signature.root, "countersignature")
        self.image = index.with_referrers(
            signed,
            referrer(amd64, "child-sbom"),
            referrer(statement, "statement-note"),
        )
        self.tagged = dict(
            [
                (signature_tag, signature.with_referrers(on_signature)),
                beside(arm64, "att"),
                beside(statement, "sbom"),
                beside(signed.root, "sig"),
            ]
        )
        self.expected = {
            (index.digest, signed.digest, ""),
            (signed.digest, signed.referrers[0].digest, ""),
            (signed.digest, beside(signed.root, "sig")[1].digest, beside(signed.root, "sig")[0]),
            (amd64.descriptor.digest, self.image.referrers[1].digest, ""),
            (statement.descriptor.digest, self.image.referrers[2].digest, ""),
            (index.digest, signature.digest, signature_tag),
            (signature.digest, on_signature.digest, ""),
            (arm64.descriptor.digest, beside(arm64, "att")[1].digest, beside(arm64, "att")[0]),
            (statement.descriptor.digest, beside(statement, "sbom")[1].digest, beside(statement, "sbom")[0]),
        }

    def push_to(self, address: str) -> None:
        with RegistryClient(address, options()) as registry:
            self.image.push_to(registry, "acme/rich", "1.0")
            for tag, content in self.tagged.items():
                content.push_to(registry, "acme/rich", tag)


@pytest.fixture(scope="module")
def rich() -> Rich:
    return Rich()


def locked(path: Path, address: str, *lines: str) -> set[tuple[Digest, Digest, str]]:
    lock = make_lock(write_manifest(path, f"images: ['{address}/acme/rich:1.0']", *lines))
    return {(each.subject, each.digest, each.tag) for item in lock.items for each in item.attached}


@pytest.mark.parametrize("kind", KINDS)
def test_everything_attached_to_every_digest_is_locked_and_planned(tmp_path: Path, rich: Rich, kind: str) -> None:
    with registry_of(kind, tmp_path / "source") as address:
        rich.push_to(address)
        assert locked(tmp_path, address) == rich.expected
        inventory = plan_of(tmp_path / "acme.yaml").inventory
    carried = {(item.subject, item.digest, item.tag) for item in inventory.items if item.kind == "attached"}
    assert carried == rich.expected
    assert {item.referrers for item in inventory.items} == {""}


@pytest.mark.parametrize("source", KINDS)
@pytest.mark.parametrize("inner", KINDS)
def test_it_arrives_attached_and_what_the_site_had_attached_stays(
    tmp_path: Path, rich: Rich, source: str, inner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GNUPGHOME", str(trip.keys().home.path))
    (tmp_path / "release.asc").write_text(trip.keys().home.public_key(trip.keys().release))
    policy, bundle = tmp_path / "policy.yaml", tmp_path / "acme.tar"

    def run(*arguments: object) -> None:
        said = trip.run(*map(str, arguments))
        assert said.status == 0, said.err

    run("airgap-import", "policy", "init", "--openpgp", tmp_path / "release.asc", "-o", policy)
    with registry_of(source, tmp_path / "source") as outside, registry_of(inner, tmp_path / "inner") as inside:
        rich.push_to(outside)
        manifest = write_manifest(tmp_path, f"images: ['{outside}/acme/rich:1.0']")
        run("airgap-export", "build", manifest, "-o", bundle, "--sign", f"gpg:{trip.keys().release}")
        repository = f"{outside.replace(':', '_')}/acme/rich"
        own = referrer(rich.image.root, "scan of the site")
        with RegistryClient(inside, options()) as registry:
            own.push_to(registry, repository)
            run("airgap-import", "push", bundle, inside, "--policy", policy, "--state", tmp_path / "state")
            for subject, digest, tag in rich.expected:
                if tag:
                    found = registry.head_manifest(repository, tag)
                    assert found is not None
                    assert found.digest == digest
                else:
                    assert digest in {each.digest for each in registry.list_referrers(repository, subject)}
            assert own.digest in {each.digest for each in registry.list_referrers(repository, rich.image.digest)}
            for document in (*rich.image.all_documents(), *(each.root for each in rich.tagged.values())):
                held = registry.get_manifest(repository, document.descriptor.digest)
                assert held is not None
                assert held.raw == document.raw


def test_a_list_under_the_tag_counts_where_the_registry_has_the_api_too(tmp_path: Path) -> None:
    image = single_image("rich", size=100)
    old = referrer(image.root, "from before")
    entries = [{**pointer(old.root), "artifactType": old.root.artifact_type}]
    index = parse_document(
        json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode(), OCI_INDEX
    )
    with embedded_registry(tmp_path / "source") as server:
        image.push_to(server.registry, "acme/rich", "1.0")
        old.push_to(server.registry, "acme/rich")
        server.registry.put_manifest("acme/rich", attachments.beside(image.digest, ""), index)
        assert locked(tmp_path, server.address) == {(image.digest, old.digest, "")}


def test_something_else_under_that_tag_is_carried_under_it(tmp_path: Path) -> None:
    image, other = single_image("rich", size=100), artifact("metadata")
    tag = attachments.beside(image.digest, "")
    with embedded_registry(tmp_path / "source") as server:
        image.push_to(server.registry, "acme/rich", "1.0")
        other.push_to(server.registry, "acme/rich", tag)
        assert locked(tmp_path, server.address) == {(image.digest, other.digest, tag)}


def test_what_an_attachment_is_stands_in_the_lock(tmp_path: Path) -> None:
    image = single_image("rich", size=100)
    with embedded_registry(tmp_path / "source") as server:
        image.with_referrers(referrer(image.root)).push_to(server.registry, "acme/rich", "1.0")
        lock = make_lock(write_manifest(tmp_path, f"images: ['{server.address}/acme/rich:1.0']"))
    assert [each.artifact_type for each in lock.items[0].attached] == ["application/spdx+json"]


def test_attachments_left_out_by_choice_are_recorded_so(tmp_path: Path, rich: Rich) -> None:
    with embedded_registry(tmp_path / "source") as server:
        rich.push_to(server.address)
        assert locked(tmp_path, server.address, "referrers: none") == set()
        inventory = plan_of(tmp_path / "acme.yaml").inventory
        assert [(item.kind, item.referrers) for item in inventory.items] == [("image", "none")]
        assert parse_inventory(dump_inventory(inventory)) == inventory
        assert "referrers: none" in (tmp_path / "acme.lock.yaml").read_text()
        # The choice is the lock's: taken back, everything is looked for again.
        assert locked(tmp_path, server.address) == rich.expected
        assert locked(tmp_path, server.address, "referrers: none") == set()


# -- registries that cannot tell

IMAGE = single_image("app", size=100)
PATH = "/v2/acme/rich"


def manifest_answer(document: Document) -> bytes:
    return answer(200, document.raw, content_type=document.descriptor.media_type)


def index_answer(*entries: dict[str, Any], **headers: str) -> bytes:
    value = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(entries)}
    return answer(200, json.dumps(value), content_type=OCI_INDEX, **headers)


def serving(server: ScriptedServer, overrides: dict[tuple[str, str], Any]) -> None:
    """A registry with one image and nothing attached, where nothing else is said."""
    digest = IMAGE.digest
    answers: dict[tuple[str, str], Any] = {
        ("GET", f"{PATH}/manifests/1.0"): manifest_answer(IMAGE.root),
        ("GET", f"{PATH}/referrers/{digest}"): index_answer(),
        ("GET", f"{PATH}/manifests/{attachments.beside(digest, '')}"): answer(404),
    }
    for suffix in (".sig", ".att", ".sbom"):
        answers["HEAD", f"{PATH}/manifests/{attachments.beside(digest, suffix)}"] = answer(404, content_length="0")
    for (method, path), reply in {**answers, **overrides}.items():
        server.always(method, path, reply)


def refused(tmp_path: Path, overrides: dict[tuple[str, str], Any]) -> RegistryError:
    """The error that a lock ends with; no lock was made."""
    with ScriptedServer() as server:
        serving(server, overrides)
        with pytest.raises(RegistryError) as caught:
            locked(tmp_path, server.address)
        # Each retry and each second way of asking is a request of its own; those nobody scripted are none of ours.
        assert not (tmp_path / "acme.lock.yaml").exists()
        assert server.address in caught.value.message
    return caught.value


QUESTIONS = {
    "the referrers API": ("GET", f"{PATH}/referrers/{IMAGE.digest}"),
    "the list under the tag": ("GET", f"{PATH}/manifests/{attachments.beside(IMAGE.digest, '')}"),
    "a signature": ("HEAD", f"{PATH}/manifests/{attachments.beside(IMAGE.digest, '.sig')}"),
    "an attestation": ("HEAD", f"{PATH}/manifests/{attachments.beside(IMAGE.digest, '.att')}"),
    "an SBOM": ("HEAD", f"{PATH}/manifests/{attachments.beside(IMAGE.digest, '.sbom')}"),
}


def test_a_registry_where_nothing_is_attached_says_so(tmp_path: Path) -> None:
    with ScriptedServer() as server:
        serving(server, {})
        assert locked(tmp_path, server.address) == set()


@pytest.mark.parametrize("status", [401, 403, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("question", QUESTIONS)
def test_a_refusal_to_answer_is_never_none(tmp_path: Path, question: str, status: int) -> None:
    reply = answer(status, content_length="0") if QUESTIONS[question][0] == "HEAD" else refusal(status, "DENIED", "no")
    refused(tmp_path, {QUESTIONS[question]: reply})


@pytest.mark.parametrize("question", QUESTIONS)
def test_silence_is_never_none(tmp_path: Path, question: str) -> None:
    # An answer that never ends: its head promises what does not come.
    refused(tmp_path, {QUESTIONS[question]: b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nContent-Ty"})


@pytest.mark.parametrize(
    "reply",
    [
        answer(200, b"{}", content_type="application/json"),
        answer(200, b"<html>log in</html>", content_type="text/html"),
        answer(200, b"", content_type=OCI_INDEX),
        answer(200, b'{"manifests": 1}', content_type=OCI_INDEX),
        answer(200, b'{"manifests": [{}]}', content_type=OCI_INDEX),
        answer(204),
        answer(302, location="http://127.0.0.1:1/"),
    ],
)
def test_an_answer_that_is_no_list_is_never_none(tmp_path: Path, reply: bytes) -> None:
    refused(tmp_path, {QUESTIONS["the referrers API"]: reply})


def test_a_list_that_pages_for_ever_is_given_up(tmp_path: Path) -> None:
    target = f"{PATH}/referrers/{IMAGE.digest}"
    count = iter(range(10_000))

    def page(_request: object) -> bytes:
        return index_answer(link=f'<{target}?page={next(count)}>; rel="next"')

    error = refused(tmp_path, {("GET", target): page})
    assert "pages" in error.message
    assert next(count) < 200


def test_a_list_without_end_on_one_page_is_given_up(tmp_path: Path) -> None:
    entry = {"mediaType": OCI_MANIFEST, "size": 7}
    entries = [{**entry, "digest": Digest.of(str(number).encode())} for number in range(10_001)]
    refused(tmp_path, {QUESTIONS["the referrers API"]: index_answer(*entries)})


def attached_to_each_other(count: int) -> list[Document]:
    """A chain: each is attached to the one before."""
    documents, subject = [], IMAGE.root
    for number in range(count):
        value = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": "application/vnd.example.endless",
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": Digest.of(b"{}"), "size": 2},
            "layers": [],
            "subject": pointer(subject),
            "annotations": {"number": str(number)},
        }
        subject = parse_document(json.dumps(value).encode(), OCI_MANIFEST)
        documents.append(subject)
    return documents


class Chain:
    """A registry in memory whose referrers have referrers, on and on."""

    name = "registry.example"

    def __init__(self, count: int) -> None:
        self.documents = {document.descriptor.digest: document for document in attached_to_each_other(count)}
        self.next = {d.subject.digest: d.descriptor for d in self.documents.values() if d.subject is not None}

    def list_referrers(self, _repository: str, digest: Digest) -> tuple[Any, ...]:
        return (self.next[digest],) if digest in self.next else ()

    def get_manifest(self, _repository: str, _reference: str) -> None:
        return None

    head_manifest = get_manifest


def test_a_chain_of_attachments_is_followed_to_its_end_and_not_for_ever() -> None:
    def find(chain: Chain) -> tuple[Any, ...]:
        return attachments.find_attachments(
            chain,  # type: ignore[arg-type]  # the three questions that are asked
            "acme/rich",
            [IMAGE.digest],
            lambda descriptor: chain.documents[descriptor.digest],
        )

    assert len(find(Chain(attachments.MAX_ATTACHMENTS))) == attachments.MAX_ATTACHMENTS
    with pytest.raises(RegistryError) as caught:
        find(Chain(attachments.MAX_ATTACHMENTS + 1))
    assert caught.value.code == "AB-REGISTRY-ENDLESS"


def listing(
    listed: Document, change: Callable[[dict[str, Any]], dict[str, Any]] = dict
) -> dict[tuple[str, str], bytes]:
    digest = listed.descriptor.digest
    return {
        QUESTIONS["the referrers API"]: index_answer(change(pointer(listed))),
        ("GET", f"{PATH}/manifests/{digest}"): manifest_answer(listed),
    }


def test_a_referrer_of_something_else_is_refused(tmp_path: Path) -> None:
    for other in (referrer(single_image("other").root).root, single_image("other").root):
        error = refused(tmp_path, listing(other))
        assert error.code == "AB-REGISTRY-DOCUMENT"
        assert "it says of itself that it is not" in error.message


def test_a_referrer_that_the_registry_lacks_is_refused(tmp_path: Path) -> None:
    answers = listing(referrer(IMAGE.root).root)
    answers = {key: answer(404) if "/manifests/" in key[1] else reply for key, reply in answers.items()}
    assert refused(tmp_path, answers).code == "AB-REGISTRY-MISSING"


@pytest.mark.parametrize("lie", [{"size": 7}, {"mediaType": "application/vnd.docker.distribution.manifest.v2+json"}])
def test_a_referrer_that_is_described_wrongly_is_refused(tmp_path: Path, lie: dict[str, Any]) -> None:
    listed = referrer(IMAGE.root).root
    assert refused(tmp_path, listing(listed, lambda entry: {**entry, **lie})).code == "AB-REGISTRY-DOCUMENT"


def test_a_referrer_of_a_kind_that_cannot_be_carried_is_named(tmp_path: Path) -> None:
    raw = b'{"mediaType":"application/vnd.oci.artifact.manifest.v1+json"}'
    digest = Digest.of(raw)
    kind = "application/vnd.oci.artifact.manifest.v1+json"
    error = refused(
        tmp_path,
        {
            QUESTIONS["the referrers API"]: index_answer({"mediaType": kind, "digest": digest, "size": len(raw)}),
            ("GET", f"{PATH}/manifests/{digest}"): answer(200, raw, content_type=kind),
        },
    )
    assert digest in error.message


def test_nothing_is_asked_where_attachments_are_not_wanted(tmp_path: Path) -> None:
    recorder = Recorder()
    with ScriptedServer() as server:
        serving(server, {})
        make_lock(
            write_manifest(tmp_path, f"images: ['{server.address}/acme/rich:1.0']", "referrers: none"),
            recorder=recorder,
        )
        assert server.asked == [f"GET {PATH}/manifests/1.0"]
