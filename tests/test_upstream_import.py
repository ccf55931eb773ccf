"""What the policy demands of publishers: their signatures come along in the bundle, and are judged again inside."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from support import helm, upstream
from support.drop import nginx_drop
from support.fake_sigstore import FakeSigstore
from support.gate import gate_before
from support.images import multi_arch_image, single_image
from support.trip import Trip, client, command_line, keys, make_trip, run

from airgap_bundle.core.content import Digest
from airgap_bundle.transfer.plan import anchor_of
from airgap_bundle.trust import keyless

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.content import ImageContent
    from support.trip import Said

IDENTITY = "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1"
ISSUER = "https://token.actions.example"
WHO: dict[str, Any] = {"identity": IDENTITY, "issuer": ISSUER}
REFUSED = "AB-TRUST-UPSTREAM-UNMET"


@pytest.fixture(scope="module")
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module")
def sigstore() -> FakeSigstore:
    return FakeSigstore()


@dataclass
class Delivery:
    """A trip with one image in the source, and a policy that says what its publisher has to have signed."""

    trip: Trip
    image: ImageContent

    @property
    def digest(self) -> Digest:
        return self.image.digest

    def beside(self, *layers: tuple[bytes, dict[str, str]]) -> ImageContent:
        """Payloads under the tag for signatures of the image."""
        content = upstream.signature_image(*layers)
        content.push_to(self.trip.source.registry, "acme/app", upstream.beside(self.digest))
        return content

    def attach(self, bundle: bytes, predicate: str = upstream.SIGN_PREDICATE) -> ImageContent:
        """A Sigstore bundle that refers to the image."""
        content = upstream.bundle_referrer(self.image.root, bundle, predicate)
        content.push_to(self.trip.source.registry, "acme/app")
        return content

    def demand(self, *demands: str, more: str = "") -> None:
        """A policy with these demands for every product."""
        text = self.trip.policy.read_text().partition("    # upstream:")[0].partition("    upstream:")[0]
        lines = "".join(textwrap.indent(demand, "      ").replace("      ", "    - ", 1) for demand in demands)
        self.trip.policy.write_text(f"{text}    upstream:\n{lines}{more}")

    def run(self, command: str, bundle: Path, *options: object) -> Said:
        """`verify`, `plan` or `push`, from the file."""
        if command == "verify":
            return run("airgap-import", "verify", bundle, "--policy", self.trip.policy, *options)
        dest = ["--state", self.trip.state]
        return run("airgap-import", command, bundle, self.trip.dest, "--policy", self.trip.policy, *dest, *options)

    def stream(self, command: str, bundle: Path, dest: str = "") -> tuple[int, dict[str, Any], str]:
        """The same with the bundle on standard input, of a process of its own; its JSON."""
        where = [] if command == "verify" else [dest or self.trip.dest]
        state = [] if command == "verify" else ["--state", self.trip.state]
        line = command_line(
            "airgap-import", command, "-", *where, "--policy", self.trip.policy, *state, "--format", "json"
        )
        with bundle.open("rb") as file:
            cat = subprocess.Popen(["cat"], stdin=file, stdout=subprocess.PIPE)
            done = subprocess.run(line, stdin=cat.stdout, capture_output=True, timeout=60, check=False)
            assert cat.stdout is not None
            cat.stdout.close()
            cat.wait(10)
        return done.returncode, json.loads(done.stdout) if done.returncode == 0 else {}, done.stderr.decode()

    def refused(self, bundle: Path, *words: str, code: str = REFUSED) -> None:
        """Every command refuses it, from a file and as a stream, and no tag moves."""
        for command in ("verify", "plan", "push"):
            said = self.run(command, bundle)
            assert (said.status, f"explain {code}" in said.text) == (3, True), said.text
            for word in words:
                assert word in said.text, said.text
        for command in ("verify", "plan", "push"):
            status, _, text = self.stream(command, bundle)
            assert (status, code in text) == (3, True), text
        assert self.trip.inner_tags() == {}

    def accepted(self, bundle: Path) -> dict[str, Any]:
        """Every command takes it; what `push` says."""
        for command in ("verify", "plan"):
            said = self.run(command, bundle, "--format", "json")
            assert said.status == 0, said.text
            assert len(said.json["upstream"]) == 1
            status, record, text = self.stream(command, bundle)
            assert (status, len(record.get("upstream", []))) == (0, 1), text
        return self.trip.pushed(bundle)


@pytest.fixture
def delivery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Delivery]:
    with make_trip(tmp_path, monkeypatch) as trip:
        image = single_image("app", size=2000)
        trip.manifest_of_images(*trip.put({("acme/app", "1.0"): image}))
        yield Delivery(trip=trip, image=image)


def by_key(own: Any, match: str = "**/acme/*") -> str:
    """A demand for a signature by a key."""
    pem = textwrap.indent(upstream.public_pem(own).decode(), "    ")
    return f"match: '{match}'\npublicKey: |-\n{pem}"


def by_identity(trip: Trip, sigstore: FakeSigstore, **changes: str) -> str:
    """A demand for a keyless signature."""
    root = sigstore.trusted_root_json().encode()
    (trip.path / "root.json").write_bytes(root)
    who = {"identity": IDENTITY, "issuer": ISSUER, **changes}
    lines = "".join(f"  {name}: '{value}'\n" for name, value in who.items() if value)
    pinned = f"  trustedRoot: {{file: root.json, sha256: {Digest.of(root).encoded}}}\n"
    return f"match: '**/acme/app'\nkeyless:\n{lines}{pinned}"


def signed(delivery: Delivery, own: Any, *, of: Digest | None = None) -> tuple[bytes, dict[str, str]]:
    content = upstream.payload(of or delivery.digest)
    return content, upstream.key_notes(own, content)


# -- what holds


def test_a_signature_by_the_key_is_judged_again_and_said_everywhere(delivery: Delivery, key: Any) -> None:
    signature = delivery.beside(signed(delivery, key))
    bundle = delivery.trip.build()
    delivery.demand(by_key(key))
    said = delivery.run("verify", bundle)
    assert said.status == 0, said.text
    assert re.search(r"9\s+upstream\s+ok", said.out), said.out
    pushed = delivery.accepted(bundle)
    (verdict,) = pushed["upstream"]
    assert verdict == {
        "source": f"{delivery.trip.source.address}/acme/app:1.0",
        "match": "**/acme/*",
        "by": verdict["by"],
        "issuer": "",
        "how": "cosign payload",
        "digest": delivery.digest,
        "signature": signature.digest,
    }
    assert verdict["by"].startswith("key sha256:")
    receipt = json.loads((delivery.trip.state / "receipts" / f"{pushed['receipt']}.json").read_text())
    assert receipt["upstream"] == [verdict]


@pytest.mark.parametrize("rekor", [1, 2])
def test_a_keyless_bundle_is_judged_by_the_root_in_the_policy(
    delivery: Delivery, sigstore: FakeSigstore, rekor: int
) -> None:
    delivery.attach(sigstore.sign_statement(upstream.statement(delivery.digest), rekor=rekor, **WHO).encode())
    bundle = delivery.trip.build()
    delivery.demand(by_identity(delivery.trip, sigstore))
    (verdict,) = delivery.accepted(bundle)["upstream"]
    assert (verdict["by"], verdict["issuer"], verdict["how"]) == (IDENTITY, ISSUER, "sigstore bundle")


def test_a_keyless_payload_and_a_pattern_for_the_identity_hold(delivery: Delivery, sigstore: FakeSigstore) -> None:
    content = upstream.payload(delivery.digest)
    delivery.beside((content, upstream.keyless_notes(sigstore, content, **WHO)))
    bundle = delivery.trip.build()
    pattern = r"^https://github\.com/acme/.*$"
    delivery.demand(by_identity(delivery.trip, sigstore, identity="", identityPattern=pattern))
    assert delivery.accepted(bundle)["upstream"][0]["how"] == "cosign payload"


def test_a_bundle_over_the_bytes_of_the_image_manifest_holds(delivery: Delivery, key: Any) -> None:
    delivery.attach(upstream.message_by_key(key, delivery.image.root.raw))
    bundle = delivery.trip.build()
    delivery.demand(by_key(key))
    delivery.accepted(bundle)


def test_one_of_several_keys_is_enough_and_of_several_demands_each_counts(delivery: Delivery, key: Any) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    delivery.beside(signed(delivery, other), signed(delivery, key))
    bundle = delivery.trip.build()
    pems = [textwrap.indent(upstream.public_pem(one).decode(), "      ") for one in (_stranger(), key)]
    both = "match: '**/acme/*'\npublicKey:\n" + "".join(f"  - |-\n{pem}" for pem in pems)
    delivery.demand(both)
    assert delivery.run("verify", bundle).status == 0
    delivery.demand(both, by_key(other, "**"))
    said = delivery.run("verify", bundle, "--format", "json")
    assert [one["match"] for one in said.json["upstream"]] == ["**/acme/*", "**"]
    delivery.demand(both, by_key(_stranger(), "**"))
    delivery.refused(bundle)


def test_what_no_demand_is_about_needs_no_signature(delivery: Delivery, key: Any) -> None:
    bundle = delivery.trip.build()
    delivery.demand(by_key(key, "ghcr.io/acme/**"))
    said = delivery.run("verify", bundle, "--format", "json").json
    assert said["upstream"] == []
    (noted,) = [step for step in said["steps"] if step["number"] == 9]
    assert (noted["outcome"], "ghcr.io/acme/**" in noted["detail"]) == ("noted", True)
    assert delivery.trip.pushed(bundle)["upstream"] == []


def test_a_demand_is_about_where_it_goes_too(delivery: Delivery, key: Any) -> None:
    trip = delivery.trip
    trip.write_manifest("images:", f"  - {{image: '{trip.source.address}/acme/app:1.0', as: ghcr.io/acme/app}}")
    bundle = trip.build()
    delivery.demand(by_key(key, "ghcr.io/acme/**"))
    delivery.refused(bundle, "ghcr.io/acme/**")


# -- a part of what was signed


@pytest.mark.parametrize("platforms", ["linux/amd64", "linux/amd64, linux/arm64"])
@pytest.mark.parametrize("referrers", ["", "referrers: none"])
def test_a_signature_over_the_index_vouches_for_a_part_of_it(
    delivery: Delivery, key: Any, platforms: str, referrers: str
) -> None:
    trip, index = delivery.trip, multi_arch_image("index", platforms=("linux/amd64", "linux/arm64", "linux/s390x"))
    index.push_to(trip.source.registry, "acme/multi", "1.0")
    content = upstream.payload(index.digest)
    signature = upstream.signature_image((content, upstream.key_notes(key, content)))
    signature.push_to(trip.source.registry, "acme/multi", upstream.beside(index.digest))
    (trip.path / "cosign.pub").write_bytes(upstream.public_pem(key))
    trip.write_manifest(
        f"images: [{{image: '{trip.source.address}/acme/multi:1.0', platforms: [{platforms}]}}]",
        "verify: [{match: '**', key: cosign.pub}]",
        referrers,
    )
    bundle = trip.build()
    delivery.demand(by_key(key))
    (verdict,) = delivery.accepted(bundle)["upstream"]
    assert (verdict["digest"], verdict["signature"]) == (index.digest, signature.digest)
    # What is only evidence is nowhere inside.
    assert trip.inner.registry.head_manifest(trip.below("acme/multi"), signature.digest) is None
    delivery.demand(by_key(_stranger()))
    assert REFUSED in delivery.run("verify", bundle).text


# -- charts


def test_the_provenance_of_a_chart_is_judged_by_a_key_of_the_policy(delivery: Delivery, key: Any) -> None:
    trip, home = delivery.trip, keys().home
    data = helm.package()
    (trip.path / "app-1.0.0.tgz").write_bytes(data)
    (trip.path / "app-1.0.0.tgz.prov").write_bytes(helm.provenance(home, keys().stranger, data))
    trip.write_manifest("charts: [{chart: ./app-1.0.0.tgz}]")
    bundle = trip.build()

    def demand(of: str) -> str:
        armored = textwrap.indent(home.public_key(of).strip("\n"), "    ", lambda _: True)
        return f"match: '**'\nopenpgp:\n  fingerprint: {of}\n  publicKey: |-\n{armored}\n"

    delivery.demand(demand(keys().stranger))
    (verdict,) = delivery.accepted(bundle)["upstream"]
    assert (verdict["how"], verdict["by"]) == ("helm provenance", f"openpgp {keys().stranger}")
    delivery.demand(demand(keys().stranger), more=f"revoked: {{keys: [{{openpgp: {keys().stranger}}}]}}\n")
    assert "has revoked" in delivery.run("verify", bundle).text
    delivery.demand(demand(keys().release))
    assert REFUSED in delivery.run("verify", bundle).text
    delivery.demand(by_key(key, "**"))
    assert "no signature over it" in delivery.run("verify", bundle).text
    (trip.path / "app-1.0.0.tgz.prov").unlink()
    assert trip.lock().status == 0
    bundle = trip.build("without.tar")
    delivery.demand(demand(keys().stranger))
    assert "no signature over it" in delivery.run("verify", bundle).text


# -- what does not


def _stranger() -> Any:
    return ec.generate_private_key(ec.SECP256R1())


def test_an_image_without_a_signature_is_refused(delivery: Delivery, key: Any) -> None:
    bundle = delivery.trip.build()
    delivery.demand(by_key(key))
    delivery.refused(bundle, "the bundle brings no signature over it", delivery.digest, "**/acme/*")


def test_signatures_that_were_left_behind_by_choice_are_named_as_the_reason(delivery: Delivery, key: Any) -> None:
    delivery.beside(signed(delivery, key))
    trip = delivery.trip
    trip.manifest_of_images(f"{trip.source.address}/acme/app:1.0", more=("referrers: none",))
    bundle = trip.build()
    delivery.demand(by_key(key))
    delivery.refused(bundle, "referrers: none")


def test_the_word_of_whoever_made_the_lock_is_not_enough(delivery: Delivery, key: Any) -> None:
    other = _stranger()
    delivery.beside(signed(delivery, other))
    trip = delivery.trip
    (trip.path / "cosign.pub").write_bytes(upstream.public_pem(other))
    trip.manifest_of_images(f"{trip.source.address}/acme/app:1.0", more=("verify: [{match: '**', key: cosign.pub}]",))
    bundle = trip.build()
    delivery.demand(by_key(key))
    delivery.refused(bundle, "does not verify with the key")


def test_a_signature_over_another_digest_is_refused(delivery: Delivery, key: Any) -> None:
    delivery.beside(signed(delivery, key, of=single_image("other").digest))
    bundle = delivery.trip.build()
    delivery.demand(by_key(key))
    delivery.refused(bundle, "a signature of another image")


@pytest.mark.parametrize(
    "other", [{"identity": IDENTITY + ".evil"}, {"issuer": "https://evil.example"}, {"identity": "release@acme.test"}]
)
def test_another_identity_is_refused(delivery: Delivery, sigstore: FakeSigstore, other: dict[str, str]) -> None:
    content = upstream.payload(delivery.digest)
    delivery.beside((content, upstream.keyless_notes(sigstore, content, **{**WHO, **other})))
    bundle = delivery.trip.build()
    delivery.demand(by_identity(delivery.trip, sigstore))
    delivery.refused(bundle, "not a keyless signature by")


def test_a_signature_of_another_sigstore_is_refused(delivery: Delivery, sigstore: FakeSigstore) -> None:
    statement = upstream.statement(delivery.digest)
    delivery.attach(FakeSigstore().sign_statement(statement, **WHO).encode())
    bundle = delivery.trip.build()
    delivery.demand(by_identity(delivery.trip, sigstore))
    delivery.refused(bundle)


def test_a_revoked_key_no_longer_counts(delivery: Delivery, key: Any) -> None:
    delivery.beside(signed(delivery, key))
    bundle = delivery.trip.build()
    fingerprint = Digest.of(_der(key)).encoded
    delivery.demand(by_key(key), more=f"revoked: {{keys: [{{publicKey: {fingerprint}}}]}}\n")
    delivery.refused(bundle, "the policy has revoked key sha256:")


@pytest.mark.parametrize(("since", "status"), [("", 3), ("2020-01-01", 3), ("2099-01-01", 0)])
def test_a_revoked_identity_counts_for_what_a_log_proves_to_be_older(
    delivery: Delivery, sigstore: FakeSigstore, since: str, status: int
) -> None:
    delivery.attach(sigstore.sign_statement(upstream.statement(delivery.digest), **WHO).encode())
    bundle = delivery.trip.build()
    when = f", since: {since}" if since else ""
    revoked = f"revoked: {{keys: [{{keyless: {{identity: '{IDENTITY}', issuer: '{ISSUER}'}}{when}}}]}}\n"
    delivery.demand(by_identity(delivery.trip, sigstore), more=revoked)
    assert delivery.run("verify", bundle).status == status


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"garbage", "not JSON"),
        (b"", ""),
        (b'{"critical":{"type":"x"}}', "not about an image"),
        (b"{" * 60_000, ""),
        (b" " * 70_000, "a signature at most 65536"),
        (b" " * 5_000_000, "a signature at most 65536"),
    ],
)
def test_a_layer_that_is_not_what_it_says_is_refused(delivery: Delivery, key: Any, content: bytes, word: str) -> None:
    delivery.beside((content, upstream.key_notes(key, content)))
    bundle = delivery.trip.build()
    delivery.demand(by_key(key))
    delivery.refused(bundle, word)


def test_an_attestation_or_anything_else_that_is_attached_is_no_signature(delivery: Delivery, key: Any) -> None:
    content = json.dumps(upstream.statement(delivery.digest)).encode()
    delivery.attach(upstream.envelope_by_key(key, content), "https://slsa.dev/provenance/v1")
    bundle = delivery.trip.build()
    delivery.demand(by_key(key))
    delivery.refused(bundle, "no signature over it")


def test_ten_thousand_signatures_are_not_looked_through(delivery: Delivery, key: Any) -> None:
    content = upstream.payload(delivery.digest)
    notes = upstream.key_notes(_stranger(), content)
    delivery.beside(*[(content, notes)] * 10_000)
    bundle = delivery.trip.build()
    delivery.demand(by_key(key))
    delivery.refused(bundle, "more than 100 signatures", code="AB-TRUST-UPSTREAM-LIMITS")


def test_a_stream_without_any_signature_is_refused_before_anything_is_sent(delivery: Delivery, key: Any) -> None:
    bundle = delivery.trip.build()
    delivery.demand(by_key(key))
    assert delivery.stream("push", bundle)[0] == 3
    assert not list((delivery.trip.path / "inner").rglob(delivery.image.root.layers[0].digest.encoded))


def test_a_refused_push_sends_nothing_from_a_file_and_is_in_the_trail(delivery: Delivery, key: Any) -> None:
    bundle = delivery.trip.build()
    delivery.demand(by_key(key))
    assert delivery.run("push", bundle).status == 3
    assert not list((delivery.trip.path / "inner").rglob(delivery.image.root.layers[0].digest.encoded))
    trail = [json.loads(line) for line in (delivery.trip.state / "audit.jsonl").read_text().splitlines()]
    assert [(one["event"], one["details"]["code"]) for one in trail] == [("refused", REFUSED)]


# -- the other ways that a bundle can come in


def test_a_delta_brings_the_signatures_of_what_it_leaves_out(delivery: Delivery, key: Any) -> None:
    trip = delivery.trip
    delivery.beside(signed(delivery, key))
    delivery.demand(by_key(key))
    first = trip.build("first.tar")
    trip.pushed(first)
    more = trip.put({("acme/more", "1.0"): single_image("more")})
    content = upstream.payload(single_image("more").digest)
    upstream.signature_image((content, upstream.key_notes(key, content))).push_to(
        trip.source.registry, "acme/more", upstream.beside(single_image("more").digest)
    )
    trip.manifest_of_images(f"{trip.source.address}/acme/app:1.0", *more, version="2.0.0")
    assert trip.lock().status == 0
    delta = trip.build("second.tar", "--base", first)
    assert [len(one["upstream"]) for one in (trip.pushed(delta),)] == [2]
    assert trip.inside("acme/more", "1.0") == single_image("more").digest


def test_a_bundle_behind_an_address_is_judged_before_anything_is_sent(
    delivery: Delivery, key: Any, tmp_path: Path
) -> None:
    trip = delivery.trip
    delivery.beside(signed(delivery, key))
    bundle = trip.build()
    with nginx_drop(tmp_path / "web") as drop:
        shutil.copy(bundle, drop.directory / "acme.tar")
        delivery.demand(by_key(_stranger()))
        said = trip.push(drop.url("acme.tar"))
        assert (said.status, f"explain {REFUSED}" in said.text) == (3, True), said.text
        assert trip.inner_tags() == {}
        delivery.demand(by_key(key))
        assert len(trip.pushed(drop.url("acme.tar"))["upstream"]) == 1


# -- a lock that was edited


def _edited(delivery: Delivery, key: Any, change: Callable[[str], str]) -> Said:
    """Lock with a rule, change the text of the lock, and build."""
    trip = delivery.trip
    (trip.path / "c.pub").write_bytes(upstream.public_pem(key))
    reference = f"{trip.source.address}/acme/app:1.0"
    trip.manifest_of_images(reference, more=("verify: [{match: '**', key: c.pub}]",))
    assert trip.lock().status == 0
    lock = trip.path / "acme.lock.yaml"
    text = change(lock.read_text())
    assert text != lock.read_text()
    lock.write_text(text)
    return run("airgap-export", "build", trip.path / "acme.yaml", "-o", trip.path / "edited.tar")


def _with(name: str, value: str) -> Callable[[str], str]:
    return lambda text: re.sub(rf"(\b{name}: ).*", rf"\g<1>{value}", text, count=1)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (_with("by", "key sha256:" + "0" * 64), 3),
        (_with("rule", "'ghcr.io/**'"), 3),
        (_with("how", "sigstore bundle"), 3),
        (_with("signature", "sha256:" + "0" * 64), 3),
        (_with("payload", "sha256:" + "0" * 64), 3),
        (lambda text: re.sub(r"    verdicts:\n(      .*\n)+", "", text), 3),
    ],
)
def test_a_lock_that_says_something_else_than_its_evidence_builds_nothing(
    delivery: Delivery, key: Any, change: Callable[[str], str], status: int
) -> None:
    delivery.beside(signed(delivery, key))
    said = _edited(delivery, key, change)
    assert (said.status, "explain AB-TRUST-UPSTREAM-LOCK" in said.text) == (status, True), said.text
    assert not (delivery.trip.path / "edited.tar").exists()


def test_a_verdict_that_no_rule_asks_for_is_refused(delivery: Delivery, key: Any) -> None:
    trip = delivery.trip
    assert trip.lock().status == 0
    lock = trip.path / "acme.lock.yaml"
    verdict = f"    verdicts:\n      - by: key sha256:{'0' * 64}\n        rule: '**'\n"
    lock.write_text(re.sub(r"(    tag: [^\n]*\n)", rf"\g<1>{verdict}", lock.read_text(), count=1))
    said = run("airgap-export", "build", trip.path / "acme.yaml", "-o", trip.path / "edited.tar")
    assert (said.status, "explain AB-TRUST-UPSTREAM-LOCK" in said.text) == (3, True), said.text


def test_a_signature_that_went_away_since_the_lock_was_made_stops_a_build(delivery: Delivery, key: Any) -> None:
    signature = delivery.beside(signed(delivery, key))

    def lose(text: str) -> str:
        delivery.trip.source.registry.delete_manifest("acme/app", signature.digest)
        return text + "\n"

    said = _edited(delivery, key, lose)
    assert (said.status, "explain AB-TRUST-UPSTREAM-LOCK" in said.text) == (3, True), said.text


def test_a_lock_that_nobody_edited_builds_again_and_again(delivery: Delivery, key: Any) -> None:
    delivery.beside(signed(delivery, key))
    assert _edited(delivery, key, lambda text: text + "\n").status == 0


@pytest.mark.parametrize(("root", "status"), [(lambda raw: raw + b" ", 0), (None, 3)])
def test_another_version_of_the_public_root_may_judge_it_again(
    delivery: Delivery,
    sigstore: FakeSigstore,
    monkeypatch: pytest.MonkeyPatch,
    root: Callable[[bytes], bytes] | None,
    status: int,
) -> None:
    trip, public = delivery.trip, sigstore.trusted_root_json().encode()
    delivery.attach(sigstore.sign_statement(upstream.statement(delivery.digest), **WHO).encode())
    rule = f"verify: [{{match: '**', keyless: {{issuer: '{ISSUER}', identity: '{IDENTITY}'}}}}]"
    trip.manifest_of_images(f"{trip.source.address}/acme/app:1.0", more=(rule,))
    monkeypatch.setattr(keyless, "public_root", lambda: public)
    assert trip.lock().status == 0
    other = root(public) if root is not None else FakeSigstore().trusted_root_json().encode()
    monkeypatch.setattr(keyless, "public_root", lambda: other)
    said = run("airgap-export", "build", trip.path / "acme.yaml", "-o", trip.path / "again.tar")
    assert said.status == status, said.text


def test_the_verdict_of_a_chart_is_made_again_from_its_provenance(delivery: Delivery) -> None:
    trip, home = delivery.trip, keys().home
    data = helm.package()
    (trip.path / "app-1.0.0.tgz").write_bytes(data)
    (trip.path / "app-1.0.0.tgz.prov").write_bytes(helm.provenance(home, keys().stranger, data))
    (trip.path / "ring.gpg").write_text(home.public_key(keys().stranger))
    trip.write_manifest("charts: [{chart: ./app-1.0.0.tgz, keyring: ring.gpg}]")
    trip.build()
    lock = trip.path / "acme.lock.yaml"
    text = lock.read_text()
    assert keys().stranger in text
    for change in (text.replace(keys().stranger, keys().release), re.sub(r"    verdicts:\n(      .*\n)+", "", text)):
        assert change != text
        lock.write_text(change)
        said = run("airgap-export", "build", trip.path / "acme.yaml", "-o", trip.path / "edited.tar")
        assert (said.status, "explain AB-TRUST-UPSTREAM-LOCK" in said.text) == (3, True), said.text
    lock.write_text(text)
    (trip.path / "ring.gpg").write_text(home.public_key(keys().release))
    said = run("airgap-export", "build", trip.path / "acme.yaml", "-o", trip.path / "edited.tar")
    assert said.status == 3, said.text


# -- the policy


def test_policy_show_says_what_is_demanded(delivery: Delivery, key: Any, sigstore: FakeSigstore) -> None:
    delivery.demand(by_key(key), by_identity(delivery.trip, sigstore))
    said = run("airgap-import", "policy", "show", "--policy", delivery.trip.policy)
    assert said.status == 0, said.text
    for word in ("**/acme/*", "**/acme/app", IDENTITY, Digest.of(_der(key)).encoded):
        assert word in said.out.replace("\n", ""), said.out
    record = run("airgap-import", "policy", "show", "--policy", delivery.trip.policy, "--format", "json").json
    (product,) = record["products"]
    assert [one["match"] for one in product["upstream"]] == ["**/acme/*", "**/acme/app"]
    assert product["upstream"][0]["by"] == [f"key {Digest.of(_der(key)).encoded}"]


@pytest.mark.parametrize(
    ("demand", "word"),
    [
        ("match: '**'\n", "keyless"),
        ("publicKey: x\n", "match"),
        ("match: '***'\npublicKey: x\n", "pattern"),
        ("match: '**'\npublicKey: x\n", "PEM"),
        ("match: '**'\nkey: x\n", "key"),
    ],
)
def test_a_demand_that_cannot_be_meant_is_refused(delivery: Delivery, demand: str, word: str) -> None:
    delivery.demand(demand)
    said = run("airgap-import", "policy", "show", "--policy", delivery.trip.policy)
    assert said.status == 2
    assert word in said.text


def test_a_root_that_the_policy_does_not_pin_is_refused(delivery: Delivery, sigstore: FakeSigstore) -> None:
    delivery.demand(by_identity(delivery.trip, sigstore))
    (delivery.trip.path / "root.json").write_text(FakeSigstore().trusted_root_json())
    said = run("airgap-import", "policy", "show", "--policy", delivery.trip.policy)
    assert (said.status, "explain AB-POLICY-KEY" in said.text) == (2, True), said.text


def test_a_key_of_a_publisher_can_be_revoked(delivery: Delivery, key: Any) -> None:
    delivery.demand(by_key(key))
    fingerprint = Digest.of(_der(key)).encoded
    out = delivery.trip.path / "next.yaml"
    said = run("airgap-import", "policy", "revoke", "--key", fingerprint, "-o", out, "--policy", delivery.trip.policy)
    assert said.status == 0, said.text
    assert f'publicKey: "{fingerprint}"' in out.read_text()


def _der(own: Any) -> bytes:
    body = "".join(upstream.public_pem(own).decode().splitlines()[1:-1])
    return base64.b64decode(body)


# -- a stream that is refused at its end


def ours(trip: Trip) -> list[str]:
    """The anchors in the inner registry."""
    with client(trip.inner.address) as registry:
        tags = registry.list_tags(trip.below("acme/app"))
    return [tag for tag in tags if tag.startswith("airgap-")]


def wrongly_signed(delivery: Delivery, key: Any) -> Path:
    """A bundle whose signature can be judged only when it has passed."""
    delivery.beside(signed(delivery, _stranger()))
    bundle = delivery.trip.build()
    delivery.demand(by_key(key))
    return bundle


def events(trip: Trip) -> list[tuple[str, dict[str, str]]]:
    lines = (trip.state / "audit.jsonl").read_text().splitlines()
    return [(record["event"], record["details"]) for record in map(json.loads, lines)]


def test_a_stream_that_publishers_have_not_signed_leaves_no_anchor(delivery: Delivery, key: Any) -> None:
    bundle = wrongly_signed(delivery, key)
    status, _, text = delivery.stream("push", bundle)
    assert (status, REFUSED in text) == (3, True), text
    assert ours(delivery.trip) == []
    noted = events(delivery.trip)
    assert [event for event, _ in noted] == ["push-begun", "push-withdrawn", "push-stopped"]
    assert noted[1][1] == {"anchors": "1", "withdrawn": "1"}
    assert noted[2][1] == {"code": REFUSED}


def test_an_anchor_that_was_there_before_stays(delivery: Delivery, key: Any) -> None:
    """Of an earlier attempt, or of somebody who may push: this import has not put it."""
    trip, bundle = delivery.trip, wrongly_signed(delivery, key)
    identity = run("airgap-import", "inspect", bundle, "--format", "json").json["bundleId"]
    anchor = anchor_of(Digest(identity), delivery.digest)
    delivery.image.push_to(trip.inner.registry, trip.below("acme/app"), anchor)
    assert delivery.stream("push", bundle)[0] == 3
    assert ours(trip) == [anchor]
    assert events(trip)[1] == ("push-withdrawn", {"anchors": "0", "withdrawn": "0"})


def test_a_stream_that_breaks_off_keeps_what_it_sent_for_the_next_attempt(delivery: Delivery, key: Any) -> None:
    trip, bundle = delivery.trip, wrongly_signed(delivery, key)
    short = trip.path / "short.tar"
    short.write_bytes(bundle.read_bytes()[:-1024])
    status, _, text = delivery.stream("push", short)
    assert (status, "AB-BUNDLE-TRUNCATED" in text) == (4, True), text
    assert len(ours(trip)) == 1


def test_anchors_that_a_registry_does_not_let_go_are_named(delivery: Delivery, key: Any) -> None:
    trip, bundle = delivery.trip, wrongly_signed(delivery, key)
    with gate_before(trip.inner.address) as gate:
        gate.rule = lambda method, _target: 405 if method == "DELETE" else None
        status, _, said = delivery.stream("push", bundle, gate.address)
    text = " ".join(said.split())
    assert (status, REFUSED in text) == (3, True), text
    assert "1 anchor of the refused bundle may have stayed" in text
    assert re.search(r"remove by hand \S+/acme/app:airgap-[0-9a-f]{12}-[0-9a-f]{8}", text), text
    assert events(trip)[1] == ("push-withdrawn", {"anchors": "1", "withdrawn": "0"})
