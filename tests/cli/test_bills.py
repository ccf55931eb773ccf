"""Which items of an inventory are references in a registry, and which only look like one."""

from __future__ import annotations

import pytest

from airgap_bundle.cli.bills import _reference


@pytest.mark.parametrize(
    ("source", "known"),
    [
        ("docker.io/library/redis:7", True),
        ("127.0.0.1:5000/acme/app:1.0", True),
        (f"ghcr.io/acme/app@sha256:{'0' * 64}", True),
        (f"ghcr.io/acme/app:1@sha256:{'0' * 64}", True),
        ("redis:7", False),
        ("charts/acme.tgz", False),
        ("./charts/acme", False),
        ("https://charts.example/stable/acme:1.0.0", False),
        ("", False),
        ("\x1b[31m", False),
    ],
)
def test_a_reference_stands_in_full(source: str, *, known: bool) -> None:
    reference = _reference(source)
    assert (reference is not None) is known
    assert reference is None or str(reference) == source
