"""Other names in what is deployed: kustomize, Compose, Helm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from support.receipts import digest, item
from support.relocation import image, moves, one_text, texts

from airgap_bundle.boundary.receipts.services import Service
from airgap_bundle.boundary.relocation.compose import compose
from airgap_bundle.boundary.relocation.helm import helm
from airgap_bundle.boundary.relocation.kustomize import kustomize
from airgap_bundle.discovery.plain import plain_values
from airgap_bundle.manifest.looseyaml import parse_stream
from airgap_bundle.manifest.settings import Form, Setting

if TYPE_CHECKING:
    from airgap_bundle.boundary.receipts.receipt import ReceiptItem

REDIS, APP = "docker.io/library/redis:7", "ghcr.io/acme/app:1.0"
INSIDE = "registry.internal:5000/mirror"
# Written from the specification of Compose: what an override of images may hold.
COMPOSE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["services"],
    "properties": {
        "services": {
            "additionalProperties": False,
            "patternProperties": {
                "^[a-zA-Z0-9._-]+$": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {"image": {"type": "string"}},
                }
            },
        }
    },
}


def read(text: str) -> dict[str, Any]:
    (document,) = parse_stream(text, "x").documents
    return plain_values(document)


def chart(*settings: tuple[str, Form, str], name: str = "web", proof: str = "rendered", **changes: Any) -> ReceiptItem:
    found = tuple(Setting(at=at, form=form, text=text, proof=proof) for at, form, text in settings)
    values = {"kind": "chart", "source": f"./{name}.tgz", "path": f"charts/{name}", "tag": "1.0.0", "settings": found}
    return item(**values | changes)


def test_kustomize_lists_every_way_to_write_a_name() -> None:
    entries = read(one_text(kustomize(moves(image(REDIS), image(APP), image("docker.io/acme/x:1")))))["images"]
    found = {one["name"]: (one["newName"], one["digest"]) for one in entries}
    redis = (f"{INSIDE}/docker.io/library/redis", digest(REDIS))
    assert found == {
        "docker.io/library/redis": redis,
        "library/redis": redis,
        "docker.io/redis": redis,
        "redis": redis,
        "docker.io/acme/x": (f"{INSIDE}/docker.io/acme/x", digest("docker.io/acme/x:1")),
        "acme/x": (f"{INSIDE}/docker.io/acme/x", digest("docker.io/acme/x:1")),
        "ghcr.io/acme/app": (f"{INSIDE}/ghcr.io/acme/app", digest(APP)),
    }


def test_kustomize_leaves_the_tags_of_a_name_that_has_several() -> None:
    text = one_text(kustomize(moves(image(APP), image("ghcr.io/acme/app:2.0"))))
    assert read(text)["images"] == [{"name": "ghcr.io/acme/app", "newName": f"{INSIDE}/ghcr.io/acme/app"}]
    assert "# ghcr.io/acme/app has several tags here" in text


def test_compose_names_services_and_what_has_none() -> None:
    services = (Service(file="deploy/compose.yaml", name="cache"), Service(file="deploy/compose.yaml", name="queue"))
    output = compose(moves(image(REDIS, services=services), image(APP)))
    document = read(one_text(output))
    jsonschema.validate(document, COMPOSE)
    pinned = f"{INSIDE}/docker.io/library/redis:7@{digest(REDIS)}"
    assert document == {"services": {"cache": {"image": pinned}, "queue": {"image": pinned}}}
    assert f"# no service is known for {APP}: {INSIDE}/{APP}@{digest(APP)}\n" in one_text(output)
    assert compose(moves(image(APP))).files == ()


def test_a_service_that_is_two_images_in_two_files_has_no_place() -> None:
    items = [
        image(REDIS, services=(Service(file="a.yaml", name="db"), Service(file="a.yaml", name="only"))),
        image(APP, services=(Service(file="b.yaml", name="db"),)),
    ]
    output = compose(moves(*items))
    assert list(read(one_text(output))["services"]) == ["only"]
    (unplaced,) = output.unplaced
    assert (unplaced.what, "a.yaml, b.yaml" in unplaced.why) == ("service db", True)


def test_each_form_of_a_value_gets_its_part_of_the_name() -> None:
    settings = [
        ("/whole", Form.REFERENCE, APP),
        ("/tagged", Form.TAGGED, APP),
        ("/a/name", Form.NAME, APP),
        ("/image/registry", Form.REGISTRY, REDIS),
        ("/image/repository", Form.REPOSITORY, REDIS),
        ("/image/digest", Form.DIGEST, REDIS),
        ("/other/repository", Form.NAME, REDIS),
        ("/other/tag", Form.TAG, REDIS),
        ("/global/security/allowInsecureImages", Form.TRUE, ""),
        ("/dotted.key/with~1slash/x~0y", Form.NAME, APP),
    ]
    output = helm(moves(image(APP), image(REDIS), chart(*settings)))
    assert output.unplaced == ()
    assert read(texts(output.files)["web.values.yaml"]) == {
        "whole": f"{INSIDE}/{APP}@{digest(APP)}",
        "tagged": f"{INSIDE}/{APP}",
        "a": {"name": f"{INSIDE}/ghcr.io/acme/app"},
        "image": {
            "registry": "registry.internal:5000",
            "repository": "mirror/docker.io/library/redis",
            "digest": digest(REDIS),
        },
        "other": {"repository": f"{INSIDE}/docker.io/library/redis", "tag": f"7@{digest(REDIS)}"},
        "global": {"security": {"allowInsecureImages": True}},
        "dotted.key": {"with/slash": {"x~y": f"{INSIDE}/ghcr.io/acme/app"}},
    }


def test_a_tag_gets_no_digest_where_none_came_in_or_nobody_has_tried_it() -> None:
    settings = [("/name", Form.NAME, APP), ("/tag", Form.TAG, APP)]
    output = helm(moves(image(APP), chart(*settings, proof="")))
    assert read(one_text(output)) == {"name": f"{INSIDE}/ghcr.io/acme/app"}
    bare = f"ghcr.io/acme/app@{digest(APP)}"
    settings = [("/name", Form.NAME, bare), ("/tag", Form.TAG, bare)]
    output = helm(moves(image(bare, tag=""), chart(*settings)))
    assert read(one_text(output)) == {"name": f"{INSIDE}/ghcr.io/acme/app"}


def test_a_list_keeps_what_else_is_in_it() -> None:
    settings = [
        ("/extra", Form.LIST, '[{"name": "yes", "image": "redis:7", "n": 1}, "redis:7"]'),
        ("/extra/0/image", Form.TAGGED, REDIS),
        ("/extra/1", Form.TAGGED, REDIS),
    ]
    inside = f"{INSIDE}/{REDIS}"
    text = one_text(helm(moves(image(REDIS), chart(*settings))))
    assert read(text) == {"extra": [{"name": "yes", "image": inside, "n": 1}, inside]}
    assert "# extra is written whole, as the lock has it: compare it with the chart's own\n" in text


def test_a_list_without_an_image_in_it_is_not_written() -> None:
    """A lock could set any value of a chart by it."""
    settings = [
        ("/image", Form.TAGGED, REDIS),
        ("/extraContainers", Form.LIST, '[{"securityContext": {"privileged": true}}]'),
        ("/extra", Form.LIST, "[1]"),
    ]
    made = read(one_text(helm(moves(image(REDIS), chart(*settings)))))
    assert made == {"image": f"{INSIDE}/{REDIS}"}


@pytest.mark.parametrize(
    "at", ["/extra/7", "/extra/x", "/extra/0/image/deep", "/extra/0/n/deep", f"/extra/{'9' * 4000}"]
)
def test_a_place_that_is_none_is_named_and_not_written(at: str) -> None:
    settings = [("/extra", Form.LIST, '[{"image": "redis:7", "n": 1}]'), (at, Form.TAGGED, REDIS)]
    output = helm(moves(image(REDIS), chart(*settings)))
    assert "cannot be set" in output.unplaced[0].why
    assert read(one_text(output)) == {"extra": [{"image": "redis:7", "n": 1}]}


def test_what_no_value_sets_and_what_did_not_travel_is_said_in_the_file_and_to_the_person() -> None:
    settings = [
        ("web/templates/x.yaml:3", Form.FIXED, APP),
        ("/other/image", Form.REFERENCE, "docker.io/library/redis:8"),
        ("/cache", Form.TAGGED, REDIS),
    ]
    output = helm(moves(image(REDIS), image(APP), image("quay.io/lone/some:1"), chart(*settings)))
    text = texts(output.files)["web.values.yaml"]
    sentences = [
        f"no value sets {APP}, which web/templates/x.yaml:3 names",
        "other.image names docker.io/library/redis:8, which did not travel",
    ]
    for sentence in sentences:
        assert f"# {sentence}\n" in text
    assert {one.why for one in output.unplaced} == {*sentences, "no value of a chart names it"}
    assert [one.what for one in output.unplaced if one.why == "no value of a chart names it"] == ["quay.io/lone/some:1"]


def test_values_that_were_not_tried_are_called_so() -> None:
    output = helm(moves(image(APP), chart(("/image", Form.NAME, APP), proof="")))
    assert "# not all of these keys were tried" in one_text(output)
    output = helm(moves(image(APP), chart()))
    assert (output.files, "nothing is known of its values" in output.unplaced[0].why) == ((), True)


def test_charts_of_one_name_get_files_of_their_own() -> None:
    def one(path: str, tag: str) -> ReceiptItem:
        return chart(("/image", Form.NAME, APP), source=f"oci://x/{path}", path=path, tag=tag)

    assert list(texts(helm(moves(image(APP), one("a/web", "1"), one("b/web", "2"))).files)) == [
        "web-1.values.yaml",
        "web-2.values.yaml",
    ]
    assert list(texts(helm(moves(image(APP), one("a/web", "1"), one("b/web", "1"))).files)) == [
        "mirror_a_web-1.values.yaml",
        "mirror_b_web-1.values.yaml",
    ]
    long = "x" * 240
    (path,) = texts(helm(moves(image(APP), one(long, "1"))).files)
    assert len(path) < 230
