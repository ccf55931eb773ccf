"""Receipts with names that were made to break something: every file stays what it is."""

from __future__ import annotations

import tomllib
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from support.receipts import NOON, item, receipt
from support.relocation import HOME, image, moves

from airgap_bundle.boundary.receipts.services import Service
from airgap_bundle.boundary.relocation.compose import compose
from airgap_bundle.boundary.relocation.containerd import containerd
from airgap_bundle.boundary.relocation.crio import crio
from airgap_bundle.boundary.relocation.helm import helm
from airgap_bundle.boundary.relocation.k3s import k3s, rke2
from airgap_bundle.boundary.relocation.kustomize import kustomize
from airgap_bundle.boundary.relocation.moves import collect
from airgap_bundle.boundary.relocation.openshift import openshift
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.manifest import yamltext
from airgap_bundle.manifest.settings import Form, Setting

if TYPE_CHECKING:
    from collections.abc import Callable

    from airgap_bundle.boundary.relocation.moves import Moves
    from airgap_bundle.boundary.relocation.output import Output

ALL: list[Callable[[Moves], Output]] = [compose, containerd, crio, helm, k3s, rke2, kustomize, openshift]
NAMES = [
    '"] server = "https://evil.example"',
    "ghcr.io/acme/app: {x: !!python/object:os.system y}",
    "<script>alert(1)</script>",
    "x #comment: &anchor *alias",
    "yes",
    "1e3",
    "=cmd()",
    "---",
    "\u202etag.exe",
    "${HOME}",
    "{{ .Values.x }}",
    "null",
    "'",
    '"',
    "\\",
    "a: b",
]


def parses(output: Output) -> None:
    for made in output.files:
        text = made.data.decode("ascii")
        assert text.startswith("# Made by airgap-import relocate, from ")
        if made.path.endswith((".toml", ".conf")):
            tomllib.loads(text)
        else:
            yamltext.parse(text.encode(), made.path)


@pytest.mark.parametrize("name", NAMES)
def test_a_source_that_is_no_reference_has_no_place_anywhere(name: str) -> None:
    found = moves(image("ghcr.io/acme/app:1.0"), item(source=name, path="x/y"), item(kind="files", source=name))
    parsed = [one for one in found.pulled if str(one.source) != "ghcr.io/acme/app:1.0"]
    assert len(found.unreadable) + len(parsed) == 1
    for consumer in ALL:
        parses(consumer(found))


@pytest.mark.parametrize("name", NAMES)
def test_keys_services_and_places_stay_text(name: str) -> None:
    app = "ghcr.io/acme/app:1.0"
    key = name.replace("~", "~0").replace("/", "~1")
    try:
        settings = (
            Setting(at=f"/{key}/image", form=Form.NAME, text=app, proof="rendered"),
            Setting(at=name, form=Form.FIXED, text=app),
        )
    except InvalidValueError:
        # Marks that turn the reading direction are no key of a lock.
        assert "\u202e" in name
        settings = ()
    try:
        services = (Service(file=name, name=name),)
    except InvalidValueError:
        # Only what Compose takes as a name.
        services = (Service(file=name, name="web"),)
    chart = item(kind="chart", source=name, path="charts/web", settings=settings)
    found = moves(image(app, services=services), chart)
    for consumer in ALL:
        parses(consumer(found))
    for made in (*compose(found).files, *helm(found).files):
        node = yamltext.parse(made.data, "x")
        assert isinstance(node, yamltext.MappingNode)
        inner = node.entries["services"] if made.path.startswith("compose") else node
        assert isinstance(inner, yamltext.MappingNode)
        assert list(inner.entries) == ([services[0].name] if inner is not node else [name])


@pytest.mark.parametrize("name", ['"]\nserver = "https://evil.example"', "a\rb", "a\x00", "a\x1b[2J"])
def test_a_receipt_refuses_lines_that_are_not_one(name: str) -> None:
    with pytest.raises(InvalidValueError):
        Service(file=name, name="x")
    with pytest.raises(InvalidValueError):
        item(source=name)
    with pytest.raises(InvalidValueError):
        Setting(at=f"/{name}", form=Form.NAME, text="x")


@pytest.mark.parametrize(
    "text", ["[" * 2000 + "]" * 2000, "{}", "1", "not json", "[1", '"x"', "[" + '{"a":' * 40 + "1" + "}" * 40 + "]"]
)
def test_a_list_is_json_of_a_list_with_few_levels(text: str) -> None:
    with pytest.raises(InvalidValueError):
        Setting(at="/x", form=Form.LIST, text=text)


def test_the_later_receipt_counts_where_two_name_the_same_image() -> None:
    first = receipt(items=(image("ghcr.io/acme/app:1.0", "old/app"),))
    second = receipt(
        items=(image("ghcr.io/acme/app:1.0", "new/app"),), product="other", finished=NOON + timedelta(days=1)
    )
    for order in ([first, second], [second, first]):
        (one,) = collect(order, HOME).pulled
        assert one.repository == "mirror/new/app"
