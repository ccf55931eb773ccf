"""Values that name images, in the lock: what may be one, and that it is read as it was written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import DocumentError, InvalidValueError
from airgap_bundle.manifest.lock import dump_lock, parse_items, parse_lock
from airgap_bundle.manifest.locked import Lock, LockedDiscovery, LockedItem
from airgap_bundle.manifest.settings import MAX_KEYS, Form, Setting, keys_of, pointer

APP = "ghcr.io/acme/app:1.0"
OCI = "application/vnd.oci.image.manifest.v1+json"


def item(kind: str = "chart", source: str = "./web.tgz", **changes: object) -> LockedItem:
    values = {"path": f"x/{kind}", "digest": Digest.of(source.encode()), "media_type": OCI, "size": 7}
    return LockedItem(kind=kind, source=source, **values | changes)  # type: ignore[arg-type]  # by keyword


def lock(*items: LockedItem) -> Lock:
    return Lock(
        name="acme", version="1.0.0", created=1, sequence=1, manifest_digest=Digest.of(b"manifest"), items=items
    )


SETTINGS = (
    Setting(at="/image", form=Form.REFERENCE, text=APP, proof="rendered"),
    Setting(at="/a.b/~0x~1y/0", form=Form.NAME, text=APP),
    Setting(at="/extra", form=Form.LIST, text='[{"name": "\\"\\u202e: #"}]'),
    Setting(at="/global/security/allowInsecureImages", form=Form.TRUE),
    Setting(at='web/x.yaml:3 ("a": b) # {', form=Form.FIXED, text=APP),
)


def test_a_lock_holds_settings_and_sorts_them() -> None:
    made = lock(item(settings=(*SETTINGS, SETTINGS[0])))
    assert made.items[0].settings == tuple(sorted(SETTINGS))
    assert parse_lock(dump_lock(made), "x") == made


def test_only_the_items_that_are_asked_for_are_read() -> None:
    services = (LockedDiscovery(image=APP, found="deploy/compose.yaml:3:5 (services.web)"),)
    image = item("image", APP, images=services)
    chart = item(settings=SETTINGS)
    others = [item("image", f"ghcr.io/acme/x{n}:1", path=f"x/{n}") for n in range(3)]
    raw = dump_lock(lock(image, chart, *others))
    assert list(parse_items(raw, "x", holding=(b"\n    settings:\n",))) == [chart]
    assert set(parse_items(raw, "x", holding=(b"\n    settings:\n", b" (services."))) == {chart, image}
    assert list(parse_items(raw, "x", holding=(b"nothing",))) == []
    assert list(parse_items(b"", "x", holding=(b"",))) == []


def test_an_item_that_cannot_be_read_is_an_error() -> None:
    raw = dump_lock(lock(item(settings=SETTINGS))).replace(b"form: name", b"form: other")
    with pytest.raises(DocumentError, match="not a form of a setting"):
        list(parse_items(raw, "x", holding=(b"settings:",)))


@given(st.lists(st.text(min_size=0, max_size=8), min_size=1, max_size=6))
def test_a_pointer_gives_its_keys_back(keys: list[str]) -> None:
    assert keys_of(pointer(tuple(keys))) == tuple(keys)


@pytest.mark.parametrize("at", ["", "image", "/a~2", "/a~", "/" * (MAX_KEYS + 1), "/x" * 3000, "/a\nb", "/a\u202eb"])
def test_what_is_no_place_is_refused(at: str) -> None:
    with pytest.raises(InvalidValueError):
        Setting(at=at, form=Form.NAME, text=APP)


@pytest.mark.parametrize(
    ("form", "text", "proof"),
    [
        (Form.NAME, "", ""),
        (Form.TRUE, APP, ""),
        (Form.LIST, "", ""),
        (Form.NAME, APP, "believed"),
        (Form.NAME, "x" * 5000, ""),
    ],
)
def test_a_setting_that_says_nothing_is_refused(form: Form, text: str, proof: str) -> None:
    with pytest.raises(InvalidValueError):
        Setting(at="/x", form=form, text=text, proof=proof)


def test_no_other_switch_of_a_chart_is_ever_set() -> None:
    for at in ("/rbac/clusterAdmin", "/global/security", "/global/security/allowInsecureImages/0"):
        with pytest.raises(InvalidValueError, match="nothing but"):
            Setting(at=at, form=Form.TRUE)


def test_settings_belong_to_charts() -> None:
    with pytest.raises(InvalidValueError, match="settings belong to charts"):
        item("image", APP, settings=SETTINGS)
