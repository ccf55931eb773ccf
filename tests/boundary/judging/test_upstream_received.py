"""What a receipt says of publishers' signatures, where images come on without their bundle: publish and promote."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from support import upstream
from support.bundles import Parts, parts_of
from support.content import Corpus
from support.images import single_image
from support.site import Site
from support.trip import run

from airgap_bundle.boundary.judging.upstream_received import check_received
from airgap_bundle.boundary.receipts.documents import parse_receipt
from airgap_bundle.core.errors import TrustError
from airgap_bundle.trust.policy_files import load_policy

if TYPE_CHECKING:
    from pathlib import Path

    from support.trip import Said

    from airgap_bundle.boundary.receipts.receipt import Receipt

REFUSED = "AB-TRUST-UPSTREAM-UNMET"


@pytest.fixture(scope="module")
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(path=tmp_path)
    policy(made)
    return made


def policy(site: Site, *demands: tuple[str, Any], name: str = "policy.yaml", more: str = "") -> Path:
    """A policy that demands signatures by these keys for these names."""
    said = "".join(
        f"      - match: '{match}'\n        publicKey: |-\n"
        + textwrap.indent(upstream.public_pem(own).decode(), " " * 10)
        for match, own in demands
    )
    return site.write_policy(
        "roles:\n  root: {signers: [alice, bob], threshold: 2}\n  release: {signers: [bob], threshold: 1}\n"
        'products:\n  plane:\n    require: [release]\n    repositories: ["**"]\n'
        + (f"    upstream:\n{said}" if demands else "")
        + more,
        name=name,
    )


def signed(site: Site, own: Any) -> Parts:
    """A bundle of one image that somebody has signed upstream."""
    image = single_image("app")
    content = upstream.payload(image.digest)
    beside = upstream.signature_image((content, upstream.key_notes(own, content)))
    corpus = Corpus(tags={("vendor/app", "1.0"): image, ("vendor/app", upstream.beside(image.digest)): beside})
    facts = site.parts().inventory
    return parts_of(corpus, name=facts.name, created=facts.created, sequence=facts.sequence)


def pushed(site: Site, own: Any, *options: str) -> str:
    """Push it under the site's policy; the receipt's id."""
    said = site.push(site.bundle("bob", parts=signed(site, own)), *options, "--format", "json")
    assert said.status == 0, said.text
    return str(said.json["receipt"])


def promote(site: Site, receipt: str, strict: Path) -> Said:
    where = (site.dest, f"dir:{site.path / 'production'}", "--policy", strict, "--state", site.state)
    return run("airgap-import", "promote", receipt, *where)


def test_what_was_never_judged_is_not_promoted_to_where_it_is_demanded(site: Site, key: Any) -> None:
    receipt = pushed(site, key)
    said = promote(site, receipt, policy(site, ("**/vendor/*", key), name="strict.yaml"))
    assert (said.status, REFUSED in said.text) == (3, True), said.text
    assert "names no such signature" in said.text
    said = promote(site, receipt, policy(site, ("**/other/*", key), name="other.yaml"))
    assert said.status == 0, said.text


def test_what_was_judged_is_promoted(site: Site, key: Any) -> None:
    policy(site, ("**", key))
    receipt = pushed(site, key)
    said = promote(site, receipt, policy(site, ("registry.example/vendor/*", key), name="strict.yaml"))
    assert said.status == 0, said.text


def test_a_signature_by_somebody_else_is_not_what_is_demanded_there(site: Site, key: Any) -> None:
    policy(site, ("**", key))
    receipt = pushed(site, key)
    other = ec.generate_private_key(ec.SECP256R1())
    said = promote(site, receipt, policy(site, ("**/vendor/*", other), name="strict.yaml"))
    assert (said.status, REFUSED in said.text) == (3, True), said.text


def test_a_demand_that_came_while_images_were_held_keeps_their_tags_back(site: Site, key: Any) -> None:
    receipt = pushed(site, key, "--hold")
    where = ("--policy", site.policy, "--state", site.state)
    new = policy(site, ("**", key), name="new.yaml")
    new.write_text(new.read_text().replace("version: 1", "version: 2", 1))
    data = new.read_bytes()
    signatures = []
    for who in (site.who.alice, site.who.bob):
        file = site.path / f"{who}.sig"
        file.write_bytes(site.who.home.sign(data, who))
        signatures += ["--signature", file]
    said = run("airgap-import", "policy", "update", new, *signatures, *where)
    assert said.status == 0, said.text
    said = run("airgap-import", "publish", receipt, "--policy", new, "--state", site.state)
    assert (said.status, REFUSED in said.text) == (3, True), said.text


def _received(site: Site, own: Any) -> Receipt:
    receipt = pushed(site, own)
    return parse_receipt((site.state / "receipts" / f"{receipt}.json").read_bytes())


def test_a_verdict_on_one_thing_does_not_speak_for_another_of_the_same_name(site: Site, key: Any) -> None:
    policy(site, ("**", key))
    receipt = _received(site, key)
    demanding = load_policy(site.policy)
    entry = demanding.product("plane")
    assert entry is not None
    check_received(demanding, entry, receipt)
    (item,) = receipt.items
    evil = replace(item, path="docker.io/vendor/app", digest=type(item.digest)("sha256:" + "e" * 64))
    with pytest.raises(TrustError, match="eeeeeeee"):
        check_received(demanding, entry, replace(receipt, items=(item, evil)))


def test_whom_the_policy_has_revoked_since_does_not_count(site: Site, key: Any) -> None:
    policy(site, ("**", key))
    receipt = _received(site, key)
    (name,) = {verdict.by.removeprefix("key sha256:") for verdict in receipt.upstream}
    revoked = load_policy(
        policy(site, ("**", key), name="r.yaml", more=f"revoked: {{keys: [{{publicKey: {name}}}]}}\n")
    )
    entry = revoked.product("plane")
    assert entry is not None
    with pytest.raises(TrustError, match="names no such signature"):
        check_received(revoked, entry, receipt)
