"""Bundles of a trusted maker who wants in what its publisher never signed: by names, by kinds, by old signatures."""

from __future__ import annotations

import json
import textwrap
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from support import helm, images, upstream
from support.bundles import Parts, parts_of
from support.content import Corpus
from support.images import OCI_LAYER, single_image
from support.site import Site

from airgap_bundle.bundle import layout
from airgap_bundle.bundle.views import index_json
from airgap_bundle.core.oci import HELM_CONFIG, OCI_CONFIG
from airgap_bundle.trust.provenance import CHART_LAYER, PROVENANCE_LAYER

if TYPE_CHECKING:
    from pathlib import Path

    from support.content import ImageContent

REFUSED = "AB-TRUST-UPSTREAM-UNMET"
# The place of what a vendor publishes, below DEST.
VENDOR = "docker.io/vendor/app"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(path=tmp_path)


def demanding(site: Site, match: str, who: str = "") -> Site:
    """A policy that demands a signature that nobody here can make, or `who`."""
    pem = upstream.public_pem(ec.generate_private_key(ec.SECP256R1())).decode()
    key = f"        publicKey: |-\n{textwrap.indent(pem, ' ' * 10)}"
    site.write_policy(
        "roles:\n  release: {signers: [bob], threshold: 1}\n"
        'products:\n  plane:\n    require: [release]\n    repositories: ["**"]\n'
        f"    upstream:\n      - match: '{match}'\n{who or key}"
    )
    return site


def parts(site: Site, content: ImageContent, tag: str = "1.0", **statements: Any) -> Parts:
    """A bundle of one content, with these statements about it, well made in every other way."""
    facts = site.parts().inventory
    corpus = Corpus(tags={("plane/app", tag): content})
    whole = parts_of(corpus, name=facts.name, created=facts.created, sequence=facts.sequence)
    items = (replace(whole.inventory.items[0], **statements), *whole.inventory.items[1:])
    return whole.with_inventory(items=items).with_member(layout.INDEX, index_json(items))


@pytest.mark.parametrize("kind", ["image", "chart", "artifact", "files"])
def test_an_image_is_asked_for_its_signature_whatever_kind_it_is_said_to_be(site: Site, kind: str) -> None:
    demanding(site, "docker.io/vendor/*")
    site.refuses(site.bundle("bob", parts=parts(site, single_image("evil"), kind=kind, path=VENDOR)), REFUSED)


def test_the_files_of_the_product_itself_have_no_publisher_upstream(site: Site) -> None:
    demanding(site, "**")
    other = parts(site, images.artifact("other"), kind="files", path="registry.example/plane")
    site.refuses(site.bundle("bob", parts=other), REFUSED)
    site.pushed(site.bundle("bob", parts=parts(site, images.artifact("licence"), kind="files", path="files/plane")))


def test_a_host_with_a_port_is_known_by_the_path_that_stands_for_it(site: Site) -> None:
    demanding(site, "harbour.example:5000/**")
    evil = parts(site, single_image("evil"), source="evil.example/app:1.0", path="harbour.example_5000/vendor/app")
    site.refuses(site.bundle("bob", parts=evil), REFUSED)


def test_a_map_does_not_bring_the_files_of_a_product_where_it_may_not_write(site: Site) -> None:
    site.write_policy(
        "roles:\n  release: {signers: [bob], threshold: 1}\n"
        'products:\n  plane: {require: [release], repositories: ["registry.example/**"]}\n'
    )
    made = site.bundle("bob", parts=parts(site, images.artifact("licence"), kind="files", path="files/plane"))
    options = ("--map", "files/plane=vault/app")
    site.refuses(made, "AB-TRUST-REPOSITORY", "vault/app", options=options)
    site.pushed(made)


@pytest.mark.parametrize(
    ("match", "path", "rule"),
    [
        # What the policy names is written elsewhere, and something else is put there.
        ("docker.io/vendor/*", "infra/vendor/app", "docker.io/**=infra/**"),
        ("docker.io/vendor/app", "infra/app", "docker.io/vendor/app=infra/app"),
        ("hub.example:443/vendor/*", "infra/vendor/app", "hub.example_443/**=infra/**"),
        # The policy names where it is written.
        ("infra/vendor/*", "evil.example/vendor/app", "evil.example/**=infra/**"),
        # Two hosts in one place: what one of them has stands for the other.
        ("docker.io/vendor/*", "quay.io/vendor/app", "quay.io/**=all/**,docker.io/**=all/**"),
    ],
)
def test_a_map_does_not_lead_around_a_demand(site: Site, match: str, path: str, rule: str) -> None:
    demanding(site, match)
    made = site.bundle("bob", parts=parts(site, single_image("evil"), source="evil.example/app:1.0", path=path))
    said = site.push(made, *(word for one in rule.split(",") for word in ("--map", one)))
    assert (said.status, REFUSED in said.text) == (3, True), said.text


# -- a chart's provenance, which is about the package alone


def by_helm(site: Site) -> str:
    """A demand for what alice signs."""
    armored = textwrap.indent(site.who.home.public_key(site.who.alice).strip("\n"), " " * 12, lambda _: True)
    return f"        openpgp:\n          fingerprint: {site.who.alice}\n          publicKey: |-\n{armored}\n"


def chart(site: Site, *, config_type: str = HELM_CONFIG, more: tuple[tuple[str, bytes], ...] = ()) -> ImageContent:
    """A chart with its true provenance, and layers besides."""
    package = helm.package()
    signed = helm.provenance(site.who.home, site.who.alice, package)
    config = json.dumps({"name": "app", "version": "1.0.0", "rootfs": {"type": "layers", "diff_ids": []}}).encode()
    return images.made_of("chart", (config_type, config), (CHART_LAYER, package), (PROVENANCE_LAYER, signed), *more)


def test_a_chart_with_its_provenance_comes_in(site: Site) -> None:
    demanding(site, "docker.io/vendor/*", by_helm(site))
    site.pushed(site.bundle("bob", parts=parts(site, chart(site), "1.0.0", path=VENDOR)))


def test_a_provenance_does_not_vouch_for_the_layers_of_an_image(site: Site) -> None:
    demanding(site, "docker.io/vendor/*", by_helm(site))
    for evil in (
        chart(site, config_type=OCI_CONFIG, more=((OCI_LAYER, b"evil"),)),
        chart(site, more=((OCI_LAYER, b"evil"),)),
        chart(site, config_type=OCI_CONFIG),
    ):
        made = parts(site, evil, "1.0.0", kind="chart", path=VENDOR)
        site.refuses(site.bundle("bob", parts=made), REFUSED)


def test_an_old_chart_is_not_vouched_for_under_a_new_tag(site: Site) -> None:
    demanding(site, "docker.io/vendor/*", by_helm(site))
    made = parts(site, chart(site), "2.0.0", path=VENDOR)
    site.refuses(site.bundle("bob", parts=made), REFUSED, "it is about version 1.0.0, and the tag is 2.0.0")
