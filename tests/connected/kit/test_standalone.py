from __future__ import annotations

import sys

import pytest

from airgap_bundle.connected.kit.standalone import check_standalone
from airgap_bundle.connected.kit.targets import find_targets, own_platform
from airgap_bundle.core.errors import HostError, UsageError

HERE = find_targets((), ())
ELSEWHERE = find_targets(("3.99",), ("linux/s390x",))


def test_it_is_made_for_this_machine_among_others() -> None:
    pytest.importorskip("PyInstaller", reason="PyInstaller, which makes the executable, is not installed")
    assert check_standalone((*ELSEWHERE, *HERE)) == HERE[0]


def test_it_is_not_made_for_other_machines_alone() -> None:
    with pytest.raises(UsageError, match=own_platform()) as caught:
        check_standalone(ELSEWHERE)
    assert caught.value.code == "AB-USAGE-KIT-STANDALONE"


def test_what_makes_it_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PyInstaller", None)
    with pytest.raises(HostError) as caught:
        check_standalone(HERE)
    assert caught.value.code == "AB-KIT-STANDALONE"
    assert "airgap-bundle[kit]" in caught.value.hint
