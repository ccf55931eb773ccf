"""Upstream signatures: whose they have to be, what they have to be over, and what is refused when the lock is made."""

from __future__ import annotations

import base64
import datetime as dt
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from support import upstream
from support.clients import Recorder
from support.fake_sigstore import FakeSigstore
from support.images import artifact, helm_chart, multi_arch_image, referrer, single_image
from support.locks import make_lock, plan_of, write_manifest
from support.registries import embedded_registry

from airgap_bundle.bundle.inventory import dump_inventory, parse_inventory
from airgap_bundle.connected import upstream_evidence
from airgap_bundle.connected.locking import Refresh
from airgap_bundle.connected.upstream_demands import matches
from airgap_bundle.core.errors import DocumentError, RegistryError, TrustError
from airgap_bundle.core.report import Remark
from airgap_bundle.trust.upstream_evidence import MAX_SIGNATURES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from support.content import ImageContent

    from airgap_bundle.core.content import Digest
    from airgap_bundle.manifest.locked import Lock
    from airgap_bundle.registry.server import RegistryServer

IDENTITY = "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1"
ISSUER = "https://token.actions.example"
WHO = {"identity": IDENTITY, "issuer": ISSUER}
KEY_RULE = "verify: [{match: '**/app', key: cosign.pub}]"
KEYLESS_RULE = f"""verify:
  - match: '**/app'
    keyless: {{issuer: '{ISSUER}', identity: '{IDENTITY}', trustedRoot: root.json}}"""


@pytest.fixture(scope="module")
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module")
def sigstore() -> FakeSigstore:
    return FakeSigstore()


@dataclass
class Scene:
    """A source with one image, and a directory with a manifest, a key and a root."""

    path: Path
    source: RegistryServer
    image: ImageContent
    lines: list[str] = field(default_factory=list)

    @property
    def digest(self) -> Digest:
        return self.image.digest

    def put_beside(self, *layers: tuple[bytes, Mapping[str, str]]) -> ImageContent:
        """Put payloads under the tag of the image's signatures."""
        content = upstream.signature_image(*layers)
        content.push_to(self.source.registry, "acme/app", upstream.beside(self.digest))
        return content

    def attach(self, bundle: bytes, predicate: str = upstream.SIGN_PREDICATE) -> ImageContent:
        """Attach a Sigstore bundle to the image."""
        content = upstream.bundle_referrer(self.image.root, bundle, predicate)
        content.push_to(self.source.registry, "acme/app")
        return content

    def lock(self, *rules: str, recorder: Recorder | None = None, **more: Any) -> Lock:
        """Lock a manifest with the image and these rules."""
        manifest = write_manifest(self.path, f"images: [{self.source.address}/acme/app:1.0]", *self.lines, *rules)
        return make_lock(manifest, recorder=recorder, **more)

    def refusal(self, *rules: str) -> str:
        """The sentence that a lock is refused with; nothing was written."""
        with pytest.raises(TrustError) as caught:
            self.lock(*rules)
        assert caught.value.code == "AB-TRUST-UPSTREAM"
        assert caught.value.exit_status == 3
        assert not (self.path / "acme.lock.yaml").exists()
        for part in (f"{self.source.address}/acme/app:1.0", "**/app", "acme.yaml:"):
            assert part in caught.value.message
        return caught.value.message


@pytest.fixture
def scene(tmp_path: Path, key: Any, sigstore: FakeSigstore) -> Iterator[Scene]:
    (tmp_path / "cosign.pub").write_bytes(upstream.public_pem(key))
    (tmp_path / "root.json").write_text(sigstore.trusted_root_json())
    with embedded_registry(tmp_path / "source") as source:
        image = single_image("app", size=100)
        image.push_to(source.registry, "acme/app", "1.0")
        yield Scene(path=tmp_path, source=source, image=image)


def verdicts(lock: Lock) -> list[dict[str, str]]:
    return [dict(verdict) for item in lock.items for verdict in item.verdicts]


# -- by a key


@pytest.mark.parametrize(
    ("make", "algorithm"),
    [
        (lambda: ec.generate_private_key(ec.SECP256R1()), None),
        (lambda: ec.generate_private_key(ec.SECP384R1()), None),
        (lambda: ec.generate_private_key(ec.SECP384R1()), hashes.SHA384()),
        (lambda: rsa.generate_private_key(65537, 2048), None),
        (ed25519.Ed25519PrivateKey.generate, None),
    ],
)
def test_a_payload_beside_the_image_by_the_key_holds(
    scene: Scene, make: Callable[[], Any], algorithm: hashes.HashAlgorithm | None
) -> None:
    own = make()
    (scene.path / "cosign.pub").write_bytes(upstream.public_pem(own))
    content = upstream.payload(scene.digest)
    signature = scene.put_beside((content, upstream.key_notes(own, content, algorithm)))
    (verdict,) = verdicts(scene.lock(KEY_RULE))
    assert verdict.pop("by").startswith("key sha256:")
    assert verdict == {
        "rule": "**/app",
        "how": "cosign payload",
        "digest": scene.digest,
        "signature": signature.digest,
        "payload": signature.root.layers[0].digest,
    }


def test_a_bundle_with_a_statement_by_the_key_holds(scene: Scene, key: Any) -> None:
    content = json.dumps(upstream.statement(scene.digest)).encode()
    signature = scene.attach(upstream.envelope_by_key(key, content))
    (verdict,) = verdicts(scene.lock(KEY_RULE))
    assert (verdict["how"], verdict["signature"]) == ("sigstore bundle", signature.digest)


def test_a_bundle_over_the_bytes_of_the_image_manifest_by_the_key_holds(scene: Scene, key: Any) -> None:
    scene.attach(upstream.message_by_key(key, scene.image.root.raw))
    assert len(verdicts(scene.lock(KEY_RULE))) == 1


def test_the_second_of_two_signatures_over_one_payload_is_found(scene: Scene, key: Any) -> None:
    content, other = upstream.payload(scene.digest), ec.generate_private_key(ec.SECP256R1())
    scene.put_beside((content, upstream.key_notes(other, content)), (content, upstream.key_notes(key, content)))
    assert len(verdicts(scene.lock(KEY_RULE))) == 1


def test_nobody_has_signed_it(scene: Scene) -> None:
    assert "nobody has signed it" in scene.refusal(KEY_RULE)


def test_the_wrong_key_is_refused(scene: Scene) -> None:
    other, content = ec.generate_private_key(ec.SECP256R1()), upstream.payload(scene.digest)
    scene.put_beside((content, upstream.key_notes(other, content)))
    assert "does not verify with the key" in scene.refusal(KEY_RULE)


def test_a_signature_of_another_image_under_the_tag_is_refused(scene: Scene, key: Any) -> None:
    content = upstream.payload(single_image("other").digest)
    scene.put_beside((content, upstream.key_notes(key, content)))
    assert "a signature of another image" in scene.refusal(KEY_RULE)


def test_a_payload_changed_after_it_was_signed_is_refused(scene: Scene, key: Any) -> None:
    notes = upstream.key_notes(key, upstream.payload(single_image("other").digest))
    scene.put_beside((upstream.payload(scene.digest), notes))
    assert "does not verify" in scene.refusal(KEY_RULE)


@pytest.mark.parametrize(
    "content",
    [
        b"garbage",
        b"",
        b"[]",
        b"{}",
        b'{"critical":{}}',
        b'{"critical":{"type":"cosign container image signature"}}',
        b'{"critical":{"type":"cosign container image signature","image":"x"}}',
        b'{"critical":{"type":"cosign container image signature","image":{"docker-manifest-digest":null}}}',
        b"{" * 60_000,
    ],
)
def test_garbage_that_is_rightly_signed_is_refused(scene: Scene, key: Any, content: bytes) -> None:
    scene.put_beside((content, upstream.key_notes(key, content)))
    scene.refusal(KEY_RULE)


def test_a_payload_about_something_else_than_an_image_is_refused(scene: Scene, key: Any) -> None:
    content = upstream.payload(scene.digest, kind="atomic container signature")
    scene.put_beside((content, upstream.key_notes(key, content)))
    assert "not about an image" in scene.refusal(KEY_RULE)


@pytest.mark.parametrize(
    "notes", [{}, {"dev.cosignproject.cosign/signature": "%"}, {"dev.cosignproject.cosign/signature": ""}]
)
def test_a_payload_without_a_signature_is_refused(scene: Scene, notes: dict[str, str]) -> None:
    scene.put_beside((upstream.payload(scene.digest), notes))
    scene.refusal(KEY_RULE)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda _: upstream.statement(single_image("other").digest), "another image"),
        (lambda d: upstream.statement(d, "https://slsa.dev/provenance/v1"), "another kind"),
        (lambda d: {**upstream.statement(d), "_type": "x"}, "another kind"),
        (lambda d: {**upstream.statement(d), "subject": "x"}, "another image"),
        (lambda d: {**upstream.statement(d), "subject": [{"digest": {"sha512": d.encoded}}]}, "another image"),
    ],
)
def test_a_statement_about_something_else_is_refused(
    scene: Scene, key: Any, make: Callable[[Any], dict[str, Any]], why: str
) -> None:
    scene.attach(upstream.envelope_by_key(key, json.dumps(make(scene.digest)).encode()))
    assert why in scene.refusal(KEY_RULE)


@pytest.mark.parametrize("content", [b"garbage", b"", b"[]", b"{"])
def test_garbage_in_a_valid_envelope_is_refused(scene: Scene, key: Any, content: bytes) -> None:
    scene.attach(upstream.envelope_by_key(key, content))
    scene.refusal(KEY_RULE)


def test_an_envelope_of_another_type_is_refused(scene: Scene, key: Any) -> None:
    content = json.dumps(upstream.statement(scene.digest)).encode()
    scene.attach(upstream.envelope_by_key(key, content, kind="text/plain"))
    assert "no in-toto statement" in scene.refusal(KEY_RULE)


@pytest.mark.parametrize(
    "bundle",
    [
        b"",
        b"null",
        b"{}",
        b'{"dsseEnvelope": 1}',
        b'{"dsseEnvelope": {}}',
        b'{"dsseEnvelope": {"payloadType": "x", "payload": "", "signatures": []}}',
        b'{"dsseEnvelope": {"payloadType": "x", "payload": "", "signatures": [1]}}',
        b'{"dsseEnvelope": {"payloadType": "x", "payload": "", "signatures": [{}, {}, {}, {}, {}, {}, {}, {}, {}]}}',
    ],
)
@pytest.mark.parametrize("rule", [KEY_RULE, KEYLESS_RULE])
def test_what_is_no_bundle_is_refused(scene: Scene, bundle: bytes, rule: str) -> None:
    scene.attach(bundle)
    scene.refusal(rule)


def test_a_signature_over_other_bytes_is_refused(scene: Scene, key: Any) -> None:
    scene.attach(upstream.message_by_key(key, b"other"))
    scene.refusal(KEY_RULE)


def test_an_attestation_is_no_signature(scene: Scene, key: Any) -> None:
    content = json.dumps(upstream.statement(scene.digest)).encode()
    scene.attach(upstream.envelope_by_key(key, content), "https://slsa.dev/provenance/v1")
    assert "nobody has signed it" in scene.refusal(KEY_RULE)


# -- without a key


def test_a_keyless_payload_beside_the_image_holds(scene: Scene, sigstore: FakeSigstore) -> None:
    content = upstream.payload(scene.digest)
    signature = scene.put_beside((content, upstream.keyless_notes(sigstore, content, **WHO)))
    (verdict,) = verdicts(scene.lock(KEYLESS_RULE))
    assert verdict.pop("trustedRoot").startswith("sha256:")
    assert verdict == {
        "rule": "**/app",
        "by": IDENTITY,
        "issuer": ISSUER,
        "how": "cosign payload",
        "digest": scene.digest,
        "signature": signature.digest,
        "payload": signature.root.layers[0].digest,
    }


@pytest.mark.parametrize("rekor", [1, 2])
def test_a_keyless_bundle_with_a_statement_holds(scene: Scene, sigstore: FakeSigstore, rekor: int) -> None:
    scene.attach(sigstore.sign_statement(upstream.statement(scene.digest), rekor=rekor, **WHO).encode())
    (verdict,) = verdicts(scene.lock(KEYLESS_RULE))
    assert (verdict["by"], verdict["how"]) == (IDENTITY, "sigstore bundle")


def test_a_keyless_bundle_over_the_bytes_of_the_image_manifest_holds(scene: Scene, sigstore: FakeSigstore) -> None:
    scene.attach(sigstore.sign_blob(scene.image.root.raw, **WHO).encode())
    assert len(verdicts(scene.lock(KEYLESS_RULE))) == 1


def test_a_pattern_describes_the_whole_identity(scene: Scene, sigstore: FakeSigstore) -> None:
    scene.attach(sigstore.sign_statement(upstream.statement(scene.digest), **WHO).encode())
    rule = KEYLESS_RULE.replace(f"identity: '{IDENTITY}'", r"identityPattern: '^https://github\.com/acme/.*$'")
    assert verdicts(scene.lock(rule))[0]["by"] == IDENTITY
    (scene.path / "acme.lock.yaml").unlink()
    rule = rule.replace("acme/.*", "acme/app")
    scene.refusal(rule)


@pytest.mark.parametrize(
    "other", [{"identity": IDENTITY + ".evil"}, {"issuer": "https://evil.example"}, {"identity": "release@acme.test"}]
)
def test_another_identity_or_issuer_is_refused(scene: Scene, sigstore: FakeSigstore, other: dict[str, str]) -> None:
    who = {**WHO, **other}
    content = upstream.payload(scene.digest)
    scene.put_beside((content, upstream.keyless_notes(sigstore, content, **who)))
    scene.attach(sigstore.sign_statement(upstream.statement(scene.digest), **who).encode())
    assert "none of its 2 signatures" in scene.refusal(KEYLESS_RULE)


def test_a_signature_by_another_sigstore_is_refused(scene: Scene) -> None:
    content, other = upstream.payload(scene.digest), FakeSigstore()
    scene.put_beside((content, upstream.keyless_notes(other, content, **WHO)))
    scene.attach(other.sign_statement(upstream.statement(scene.digest), **WHO).encode())
    scene.refusal(KEYLESS_RULE)


def test_without_a_root_of_its_own_a_rule_is_about_the_public_sigstore(scene: Scene, sigstore: FakeSigstore) -> None:
    scene.attach(sigstore.sign_statement(upstream.statement(scene.digest), **WHO).encode())
    scene.refusal(KEYLESS_RULE.replace(", trustedRoot: root.json", ""))


@pytest.mark.parametrize("sct", [True, False])
def test_an_expired_certificate_and_one_that_no_log_knows_are_refused(
    scene: Scene, sigstore: FakeSigstore, *, sct: bool
) -> None:
    before = dt.datetime.now(dt.UTC) - (dt.timedelta(hours=1) if sct else dt.timedelta())
    who = {**WHO, "not_before": before, "sct": sct}
    content = upstream.payload(scene.digest)
    scene.put_beside((content, upstream.keyless_notes(sigstore, content, **who)))
    scene.attach(sigstore.sign_statement(upstream.statement(scene.digest), **who).encode())
    scene.refusal(KEYLESS_RULE)


def _log(notes: dict[str, str], change: Callable[[dict[str, Any]], object]) -> None:
    log = json.loads(notes["dev.sigstore.cosign/bundle"])
    change(log)
    notes["dev.sigstore.cosign/bundle"] = json.dumps(log)


@pytest.mark.parametrize(
    "change",
    [
        lambda n: n.pop("dev.sigstore.cosign/bundle"),
        lambda n: n.pop("dev.sigstore.cosign/certificate"),
        lambda n: n.update({"dev.sigstore.cosign/bundle": "null"}),
        lambda n: n.update({"dev.sigstore.cosign/bundle": "{}"}),
        lambda n: n.update({"dev.sigstore.cosign/certificate": "x"}),
        lambda n: n.update({"dev.sigstore.cosign/certificate": n["dev.sigstore.cosign/certificate"] * 2}),
        lambda n: n.update({"dev.cosignproject.cosign/signature": base64.b64encode(b"x").decode()}),
        lambda n: _log(n, lambda log: log["Payload"].update(integratedTime=log["Payload"]["integratedTime"] + 1)),
        lambda n: _log(n, lambda log: log["Payload"].update(integratedTime=True)),
        lambda n: _log(n, lambda log: log["Payload"].update(integratedTime=-1)),
        lambda n: _log(n, lambda log: log["Payload"].update(logIndex=99)),
        lambda n: _log(n, lambda log: log["Payload"].update(logID="zz")),
        lambda n: _log(n, lambda log: log["Payload"].update(logID="00" * 32)),
        lambda n: _log(n, lambda log: log["Payload"].update(body="e30=")),
        lambda n: _log(n, lambda log: log.update(SignedEntryTimestamp="")),
        lambda n: _log(n, lambda log: log.pop("SignedEntryTimestamp")),
    ],
)
def test_a_keyless_payload_with_a_part_missing_or_changed_is_refused(
    scene: Scene, sigstore: FakeSigstore, change: Callable[[dict[str, str]], object]
) -> None:
    content = upstream.payload(scene.digest)
    notes = upstream.keyless_notes(sigstore, content, **WHO)
    change(notes)
    scene.put_beside((content, notes))
    scene.refusal(KEYLESS_RULE)


def test_the_log_entry_of_another_signature_is_refused(scene: Scene, sigstore: FakeSigstore) -> None:
    content = upstream.payload(scene.digest)
    notes = upstream.keyless_notes(sigstore, content, **WHO)
    other = upstream.keyless_notes(sigstore, content, **WHO)
    scene.put_beside((content, {**notes, "dev.sigstore.cosign/bundle": other["dev.sigstore.cosign/bundle"]}))
    scene.refusal(KEYLESS_RULE)


# -- rules


def test_every_rule_about_an_image_has_to_be_met(scene: Scene, key: Any, sigstore: FakeSigstore) -> None:
    rules = f"{KEYLESS_RULE}\n  - {{match: '**', key: cosign.pub}}"
    scene.attach(sigstore.sign_statement(upstream.statement(scene.digest), **WHO).encode())
    with pytest.raises(TrustError, match=r"cosign\.pub"):
        scene.lock(rules)
    content = upstream.payload(scene.digest)
    scene.put_beside((content, upstream.key_notes(key, content)))
    assert sorted(verdict["rule"] for verdict in verdicts(scene.lock(rules))) == ["**", "**/app"]


def test_an_image_that_a_workload_brings_along_has_to_meet_the_rules_too(scene: Scene, key: Any) -> None:
    reference = f"{scene.source.address}/acme/app:1.0"
    (scene.path / "images.txt").write_text(reference + "\n")
    manifest = write_manifest(scene.path, "workloads: [{list: images.txt}]", KEY_RULE)
    with pytest.raises(TrustError, match="nobody has signed it"):
        make_lock(manifest)
    content = upstream.payload(scene.digest)
    scene.put_beside((content, upstream.key_notes(key, content)))
    assert [verdict["digest"] for verdict in verdicts(make_lock(manifest))] == [scene.digest]
    assert len(verdicts(make_lock(manifest))) == 1


def test_a_chart_and_an_artifact_have_to_meet_the_rules_too(scene: Scene, key: Any) -> None:
    chart, database = helm_chart(), artifact("database")
    chart.push_to(scene.source.registry, "charts/acme", "1.2.3")
    database.push_to(scene.source.registry, "acme/database", "2")
    address = scene.source.address
    manifest = write_manifest(
        scene.path,
        f"charts: [{{chart: 'oci://{address}/charts/acme', version: 1.2.3, images: none}}]",
        f"artifacts: ['{address}/acme/database:2']",
        "verify: [{match: '**', key: cosign.pub}]",
    )
    for repository, each in (("charts/acme", chart), ("acme/database", database)):
        with pytest.raises(TrustError, match="nobody has signed it"):
            make_lock(manifest)
        content = upstream.payload(each.digest)
        signature = upstream.signature_image((content, upstream.key_notes(key, content)))
        signature.push_to(scene.source.registry, repository, upstream.beside(each.digest))
    assert {verdict["digest"] for verdict in verdicts(make_lock(manifest))} == {chart.digest, database.digest}


def test_a_rule_about_nothing_is_said_and_asks_for_nothing(scene: Scene) -> None:
    recorder = Recorder()
    lock = scene.lock("verify: [{match: 'ghcr.io/**', key: cosign.pub}]", recorder=recorder)
    assert verdicts(lock) == []
    said = [event.message for event in recorder.events if isinstance(event, Remark)]
    assert len(said) == 1
    assert "about nothing in the manifest" in said[0]


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("docker.io/library/*", "docker.io/library/redis", True),
        ("docker.io/library/*", "docker.io/library/a/b", False),
        ("docker.io/*/redis", "docker.io/library/redis", True),
        ("docker.io/lib*/redis", "docker.io/library/redis", True),
        ("ghcr.io/acme/**", "ghcr.io/acme/a/b", True),
        ("ghcr.io/acme/**", "ghcr.io/acme", False),
        ("ghcr.io/acme/**", "ghcr.io/acme-evil/a", False),
        ("**/app", "127.0.0.1:5000/acme/app", True),
        ("127.0.0.1:5000/**", "127.0.0.1:5000/acme/app", True),
        ("**", "docker.io/library/redis", True),
        ("docker.io/library/redis", "docker.io/library/redis", True),
        ("docker.io/library/redis", "docker.io/library/redis2", False),
        ("docker.io/library/redis", "xdocker.io/library/redis", False),
        ("dockerXio/library/redis", "docker.io/library/redis", False),
        ("*" + "a*" * 100, "a" * 255, True),
        ("*" + "a*" * 100 + "b", "a" * 255, False),
    ],
)
def test_patterns_describe_host_and_repository_in_full(pattern: str, name: str, *, fits: bool) -> None:
    assert matches(pattern, name) is fits


@pytest.mark.parametrize(
    ("rule", "content"),
    [
        (KEY_RULE, b"no key"),
        (KEY_RULE, b"x" * 1_000_000),
        (KEY_RULE, b""),
        (KEYLESS_RULE, b"{}"),
        (KEYLESS_RULE, b"x" * 3_000_000),
        (KEYLESS_RULE, b'{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}'),
    ],
)
def test_a_file_that_is_no_key_or_root_stops_before_anything_is_asked(scene: Scene, rule: str, content: bytes) -> None:
    (scene.path / ("cosign.pub" if rule == KEY_RULE else "root.json")).write_bytes(content)
    with pytest.raises(DocumentError) as caught:
        scene.lock(rule)
    assert (caught.value.code, caught.value.exit_status) == ("AB-UPSTREAM-KEY", 2)
    assert "acme.yaml:5:" in caught.value.message or "acme.yaml:6:" in caught.value.message


def test_a_private_key_is_not_taken_for_a_public_one(scene: Scene, key: Any) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (scene.path / "cosign.pub").write_bytes(pem)
    with pytest.raises(DocumentError, match="private key"):
        scene.lock(KEY_RULE)


@pytest.mark.parametrize("rule", [KEY_RULE, KEYLESS_RULE])
def test_a_missing_file_or_one_elsewhere_is_a_complaint_about_the_manifest(
    scene: Scene, rule: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = scene.path / ("cosign.pub" if rule == KEY_RULE else "root.json")
    file.unlink()
    with pytest.raises(DocumentError):
        scene.lock(rule)
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "x"
    elsewhere.write_bytes(b"x")
    file.symlink_to(elsewhere)
    with pytest.raises(DocumentError):
        scene.lock(rule)


# -- which digest, and what stays


def test_with_platforms_left_out_the_signature_is_that_of_the_index(scene: Scene, key: Any) -> None:
    index = multi_arch_image("app", ("linux/amd64", "linux/arm64", "linux/s390x"), size=100)
    index.push_to(scene.source.registry, "acme/app", "1.0")
    scene.image = index
    scene.lines = ["platforms: [linux/amd64]"]
    child = upstream.payload(index.documents[0].descriptor.digest)
    upstream.signature_image((child, upstream.key_notes(key, child))).push_to(
        scene.source.registry, "acme/app", upstream.beside(index.documents[0].descriptor.digest)
    )
    assert "nobody has signed it" in scene.refusal(KEY_RULE)
    content = upstream.payload(index.digest)
    scene.put_beside((content, upstream.key_notes(key, content)))
    lock = scene.lock(KEY_RULE)
    assert verdicts(lock)[0]["digest"] == index.digest != lock.items[0].digest


@pytest.mark.parametrize("platforms", ["[linux/amd64]", "[linux/amd64, linux/arm64]"])
def test_a_lock_that_names_something_beside_the_signed_index_is_refused(scene: Scene, key: Any, platforms: str) -> None:
    index, evil = multi_arch_image("app", ("linux/amd64", "linux/arm64", "linux/s390x"), size=100), single_image("evil")
    index.push_to(scene.source.registry, "acme/app", "1.0")
    evil.push_to(scene.source.registry, "acme/app", "evil")
    scene.image = index
    scene.lines = [f"platforms: {platforms}"]
    content = upstream.payload(index.digest)
    scene.put_beside((content, upstream.key_notes(key, content)))
    (item,) = scene.lock(KEY_RULE).items
    assert len(item.verdicts) == 1
    assert scene.lock(KEY_RULE).items == (item,)
    lock = scene.path / "acme.lock.yaml"
    lock.write_text(lock.read_text().replace(item.digest, evil.digest))
    with pytest.raises(DocumentError) as caught:
        scene.lock(KEY_RULE)
    assert caught.value.code == "AB-LOCK-MISMATCH"


def test_the_verdict_is_carried_in_the_inventory_with_the_signature(scene: Scene, key: Any) -> None:
    content = upstream.payload(scene.digest)
    signature = scene.put_beside((content, upstream.key_notes(key, content)))
    lock = scene.lock(KEY_RULE)
    inventory = plan_of(scene.path / "acme.yaml").inventory
    assert parse_inventory(dump_inventory(inventory)) == inventory
    image, attached = inventory.items
    assert [dict(verdict) for verdict in image.upstream] == verdicts(lock)
    assert (attached.digest, attached.subject) == (signature.digest, scene.digest)


def test_a_lock_stays_while_upstream_adds_signatures(scene: Scene, key: Any) -> None:
    content = upstream.payload(scene.digest)
    scene.attach(upstream.envelope_by_key(key, json.dumps(upstream.statement(scene.digest)).encode()))
    first = scene.lock(KEY_RULE)
    scene.put_beside((content, upstream.key_notes(key, content)))
    scene.attach(upstream.message_by_key(key, scene.image.root.raw))
    assert scene.lock(KEY_RULE, now=dt.datetime(2027, 1, 1, tzinfo=dt.UTC)) == first


def test_a_lock_stays_while_the_tag_of_the_signatures_moves(scene: Scene, key: Any) -> None:
    content = upstream.payload(scene.digest)
    one, other = upstream.key_notes(key, content), upstream.key_notes(ec.generate_private_key(ec.SECP256R1()), content)
    scene.put_beside((content, one))
    first = scene.lock(KEY_RULE)
    second = scene.put_beside((content, other), (content, one))
    assert scene.lock(KEY_RULE) == first
    assert verdicts(scene.lock(KEY_RULE, refresh=Refresh(everything=True)))[0]["signature"] == second.digest


@pytest.mark.parametrize("signature", ["x", "sha256:" + "0" * 64, "sha512:" + "0" * 128])
def test_a_manifest_that_a_lock_names_by_mistake_is_passed_over(scene: Scene, key: Any, signature: str) -> None:
    content = upstream.payload(scene.digest)
    right = scene.put_beside((content, upstream.key_notes(key, content)))
    scene.lock(KEY_RULE)
    lock = scene.path / "acme.lock.yaml"
    written = lock.read_text()
    assert f"signature: {right.digest}" in written
    lock.write_text(written.replace(f"signature: {right.digest}", f'signature: "{signature}"'))
    assert verdicts(scene.lock(KEY_RULE))[0]["signature"] == right.digest


def test_a_verdict_that_somebody_wrote_into_the_lock_is_proven_again(scene: Scene) -> None:
    scene.lock()
    lock = scene.path / "acme.lock.yaml"
    text = lock.read_text()
    lock.write_text(
        text + f"    verdicts:\n      - by: \"key\"\n        digest: {scene.digest}\n        rule: '**/app'\n"
    )
    with pytest.raises(TrustError):
        scene.lock(KEY_RULE)


def test_a_verdict_goes_with_its_rule(scene: Scene, key: Any) -> None:
    content = upstream.payload(scene.digest)
    scene.put_beside((content, upstream.key_notes(key, content)))
    assert verdicts(scene.lock(KEY_RULE))
    assert verdicts(scene.lock()) == []


def test_a_signature_counts_where_attachments_are_left_out_too(scene: Scene, key: Any) -> None:
    content = upstream.payload(scene.digest)
    scene.put_beside((content, upstream.key_notes(key, content)))
    lock = scene.lock("referrers: none", KEY_RULE)
    assert lock.items[0].attached == ()
    assert len(verdicts(lock)) == 1


# -- too much, and registries that cannot tell


def test_more_signatures_than_can_be_looked_at_are_refused(scene: Scene, key: Any) -> None:
    content = upstream.payload(scene.digest)
    notes = upstream.key_notes(key, content)
    scene.put_beside(*[(content, notes)] * MAX_SIGNATURES)
    assert len(verdicts(scene.lock(KEY_RULE))) == 1
    scene.put_beside(*[(content, notes)] * (MAX_SIGNATURES + 1))
    (scene.path / "acme.lock.yaml").unlink()
    with pytest.raises(TrustError) as caught:
        scene.lock(KEY_RULE)
    assert caught.value.code == "AB-TRUST-UPSTREAM-LIMITS"


def test_more_attachments_than_can_be_looked_at_are_refused(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream_evidence, "MAX_ATTACHMENTS", 2)
    for number in range(3):
        referrer(scene.image.root, f"sbom {number}").push_to(scene.source.registry, "acme/app")
    with pytest.raises(TrustError, match="more than 2 artifacts") as caught:
        scene.lock(KEY_RULE)
    assert caught.value.code == "AB-TRUST-UPSTREAM-LIMITS"


@pytest.mark.parametrize("size", [64 * 1024 + 1, 2_000_000])
def test_a_signature_that_is_too_large_is_not_read(scene: Scene, key: Any, size: int) -> None:
    content = upstream.payload(scene.digest).ljust(size)
    scene.put_beside((content, upstream.key_notes(key, content)))
    assert f"a signature of {size} bytes" in scene.refusal(KEY_RULE)


def test_a_payload_that_the_registry_has_lost_is_an_error_of_the_registry(scene: Scene, key: Any) -> None:
    content = upstream.payload(scene.digest)
    signature = scene.put_beside((content, upstream.key_notes(key, content)))
    (found,) = (scene.path / "source").rglob(signature.root.layers[0].digest.encoded)
    found.unlink()
    with pytest.raises(RegistryError):
        scene.lock(KEY_RULE)
