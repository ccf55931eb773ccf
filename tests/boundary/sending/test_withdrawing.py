"""Which anchors go away again after a refusal, and what is said where they cannot."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from support.images import single_image
from support.receipts import item, receipt

from airgap_bundle.boundary.sending.withdrawing import recorded_anchors, withdraw_anchors
from airgap_bundle.core.report import Remark
from airgap_bundle.registry.client import RegistryClient
from airgap_bundle.registry.options import ClientOptions
from airgap_bundle.registry.store import DirectoryRegistry

if TYPE_CHECKING:
    from pathlib import Path

    from airgap_bundle.core.report import Event

NAME = "mirror/docker.io/library/redis"


@pytest.fixture
def registry(tmp_path: Path) -> DirectoryRegistry:
    made = DirectoryRegistry(tmp_path / "registry")
    for tag in ("airgap-0", "7"):
        single_image("redis").push_to(made, NAME, tag)
    return made


def test_what_a_receipt_names_is_needed_below_the_path_of_the_destination() -> None:
    one = item("redis")
    assert recorded_anchors((None, receipt(items=(one,))), "mirror") == {(NAME, one.anchor)}
    assert recorded_anchors((receipt(items=(item("redis", anchor=""),)),), "mirror") == frozenset()


def test_only_the_name_of_the_anchor_goes(registry: DirectoryRegistry) -> None:
    remarks: list[Event] = []
    done = withdraw_anchors(registry, [(NAME, "airgap-0")], frozenset(), remarks.append)
    assert (done, remarks) == ({"anchors": "1", "withdrawn": "1"}, [])
    assert registry.list_tags(NAME) == ("7",)


def test_what_a_receipt_names_stays(registry: DirectoryRegistry) -> None:
    put = [(NAME, "airgap-0")]
    done = withdraw_anchors(registry, put, frozenset(put), lambda event: None)  # noqa: ARG005 - a reporter's name for it
    assert done == {"anchors": "0", "withdrawn": "0"}
    assert registry.list_tags(NAME) == ("7", "airgap-0")


def test_a_registry_that_is_gone_hides_nothing_and_is_remarked_on() -> None:
    remarks: list[Event] = []
    with closing(RegistryClient("127.0.0.1:1", ClientOptions())) as gone:
        put = [(NAME, f"airgap-{n}") for n in range(5)]
        assert withdraw_anchors(gone, put, frozenset(), remarks.append) == {"anchors": "5", "withdrawn": "unknown"}
    (remark,) = remarks
    assert isinstance(remark, Remark)
    assert remark.message.startswith("5 anchors of the refused bundle may have stayed: ")
    assert remark.message.endswith(f"{NAME}:airgap-2 and 2 more")
