"""Status lines judged, without gpgv: combinations that a real one prints rarely or never."""

from __future__ import annotations

import pytest

from airgap_bundle.core.errors import TrustError
from airgap_bundle.trust.gpgv_status import judge

KEY = "A" * 40
GOOD = [
    "NEWSIG",
    f"KEY_CONSIDERED {KEY} 0",
    "SIG_ID abc 2024-01-01 1704067200",
    "GOODSIG AAAAAAAAAAAAAAAA Alice",
    f"VALIDSIG {KEY} 2024-01-01 1704067200 0 4 0 22 8 00 {KEY}",
]


def text(*lines: str) -> str:
    return "".join(f"[GNUPG:] {line}\n" for line in lines)


def code_of(status: str, exit_status: int = 0) -> str:
    with pytest.raises(TrustError) as caught:
        judge(status, exit_status, "x.sig")
    return caught.value.code


def test_exactly_one_good_signature_is_good() -> None:
    good = judge(text(*GOOD), 0, "x.sig")
    assert (good.fingerprint, good.signing_fingerprint) == (KEY.lower(), KEY.lower())
    assert good.created.timestamp() == 1704067200


@pytest.mark.parametrize("left_out", ["NEWSIG", "GOODSIG", "VALIDSIG"])
def test_each_line_is_needed_once(left_out: str) -> None:
    assert code_of(text(*(line for line in GOOD if not line.startswith(left_out)))) == "AB-TRUST-BAD-SIGNATURE"
    assert code_of(text(*GOOD, *(line for line in GOOD if line.startswith(left_out)))) == "AB-TRUST-BAD-SIGNATURE"


def test_exit_status_alone_refuses() -> None:
    assert code_of(text(*GOOD), 2) == "AB-TRUST-BAD-SIGNATURE"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("REVKEYSIG 1 a", "AB-TRUST-REVOKED-KEY"),
        ("KEYREVOKED", "AB-TRUST-REVOKED-KEY"),
        ("EXPKEYSIG 1 a", "AB-TRUST-EXPIRED-KEY"),
        ("EXPSIG 1 a", "AB-TRUST-EXPIRED-SIGNATURE"),
        ("BADSIG 1 a", "AB-TRUST-BAD-SIGNATURE"),
        ("ERRSIG 1 22 8 00 1 9", "AB-TRUST-BAD-SIGNATURE"),
        ("NO_PUBKEY 1", "AB-TRUST-UNKNOWN-SIGNER"),
        ("NODATA 1", "AB-TRUST-BAD-SIGNATURE"),
        ("UNEXPECTED 0", "AB-TRUST-BAD-SIGNATURE"),
        ("FAILURE gpgv 1", "AB-TRUST-BAD-SIGNATURE"),
        ("SOMETHING_NEW", "AB-TRUST-BAD-SIGNATURE"),
    ],
)
def test_one_more_line_that_is_not_known_to_be_harmless_refuses(line: str, code: str) -> None:
    assert code_of(text(*GOOD, line)) == code
    assert code_of(text(line, *GOOD)) == code


@pytest.mark.parametrize("line", ["KEYEXPIRED 1", "NOTATION_NAME x", "VERIFICATION_COMPLIANCE_MODE 23"])
def test_harmless_lines_change_nothing(line: str) -> None:
    assert judge(text(*GOOD, line), 0, "x.sig").fingerprint == KEY.lower()


@pytest.mark.parametrize("separator", ["\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
def test_only_line_feeds_end_a_line(separator: str) -> None:
    status = text(*GOOD[:3], f"GOODSIG A a{separator}[GNUPG:] BADSIG 1", GOOD[4])
    assert judge(status, 0, "x.sig").fingerprint == KEY.lower()


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (" 8 00 ", " 2 00 ", "AB-TRUST-WEAK-SIGNATURE"),
        (" 8 00 ", " 1 00 ", "AB-TRUST-WEAK-SIGNATURE"),
        (" 8 00 ", " 11 00 ", "AB-TRUST-WEAK-SIGNATURE"),
        (" 8 00 ", " x 00 ", "AB-TRUST-WEAK-SIGNATURE"),
        (" 8 00 ", " 8 01 ", "AB-TRUST-BAD-SIGNATURE"),
        (" 8 00 ", " 8 ", "AB-TRUST-BAD-SIGNATURE"),
        (" 8 00 ", " 8 00 00 ", "AB-TRUST-BAD-SIGNATURE"),
        ("2024-01-01 1704067200 0 4", "2024-01-01 soon 0 4", "AB-TRUST-BAD-SIGNATURE"),
        ("2024-01-01 1704067200 0 4", f"2024-01-01 {9**30} 0 4", "AB-TRUST-BAD-SIGNATURE"),
    ],
)
def test_the_fields_of_validsig_are_checked(old: str, new: str, code: str) -> None:
    assert code_of(text(*GOOD[:4], GOOD[4].replace(old, new))) == code


def test_iso_times_are_read() -> None:
    status = text(*GOOD[:4], GOOD[4].replace("1704067200", "20240101T000000"))
    assert judge(status, 0, "x.sig").created.timestamp() == 1704067200


def test_a_weak_hash_is_named_where_gpgv_only_fails() -> None:
    assert code_of(text("NEWSIG", "ERRSIG 1 22 2 00 1 5 A"), 2) == "AB-TRUST-WEAK-SIGNATURE"


@pytest.mark.parametrize("status", ["", "\x00" * 100, "GOODSIG", "[GNUPG:]", "[GNUPG:] ", "[GNUPG:] VALIDSIG"])
def test_nonsense_is_never_good(status: str) -> None:
    assert code_of(status) == "AB-TRUST-BAD-SIGNATURE"
