"""The root error and its classes."""

from __future__ import annotations

import pytest

from airgap_bundle.core.errors import (
    AirgapError,
    BundleError,
    DocumentError,
    HostError,
    RegistryError,
    TrustError,
    UsageError,
)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (UsageError, 2),
        (DocumentError, 2),
        (TrustError, 3),
        (BundleError, 4),
        (RegistryError, 5),
        (HostError, 6),
        (AirgapError, 70),
    ],
)
def test_each_class_has_the_exit_status_of_the_design(kind: type[AirgapError], status: int) -> None:
    assert kind("AB-TEST", "it happened").exit_status == status


def test_an_error_says_what_happened_and_what_to_do() -> None:
    error = TrustError("AB-TRUST-UNSIGNED", "the bundle has no signature", hint="ask for a signed one")
    assert str(error) == "the bundle has no signature"
    assert (error.code, error.hint) == ("AB-TRUST-UNSIGNED", "ask for a signed one")


@pytest.mark.parametrize("code", ["", "AB", "AB-", "AB-lower", "XY-TEST", "AB-TEST\n", "AB--TEST", "AB-TEST-"])
def test_a_code_of_another_form_is_a_bug(code: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        AirgapError(code, "it happened")
