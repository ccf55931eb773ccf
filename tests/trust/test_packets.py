"""The frame of OpenPGP messages, byte by byte."""

from __future__ import annotations

import struct
from datetime import UTC, datetime

import pytest
from support.handmade import HandmadeKey, packet, subpacket

from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.trust.packets import check_single_signature, dearmor, parse_public_key

SIGNER = HandmadeKey()
BODY = SIGNER.signature(b"data")[6:]


def refusal(data: bytes) -> str:
    with pytest.raises(InvalidValueError) as caught:
        check_single_signature(data)
    return str(caught.value)


@pytest.mark.parametrize(
    "head",
    [
        b"\xc2\xff" + struct.pack(">I", len(BODY)),
        b"\xc2" + bytes([len(BODY)]) if len(BODY) < 192 else b"\xc2\xff" + struct.pack(">I", len(BODY)),
        b"\x89" + struct.pack(">H", len(BODY)),
        b"\x8a" + struct.pack(">I", len(BODY)),
    ],
    # The length of a signature varies by a byte, and tests have to be called the same wherever they are collected.
    ids=["five bytes", "shortest", "old, two bytes", "old, four bytes"],
)
def test_old_and_new_heads_are_read(head: bytes) -> None:
    check_single_signature(head + BODY)


def test_a_length_of_two_bytes_is_read() -> None:
    body = SIGNER.signature(b"data", extra=subpacket(20, bytes(300)))[6:]
    first, second = divmod(len(body) - 192, 256)
    check_single_signature(b"\xc2" + bytes([first + 192, second]) + body)


@pytest.mark.parametrize("head", [b"\x8b", b"\xc2\xe0"], ids=["indeterminate", "partial"])
def test_packets_without_a_length_are_refused(head: bytes) -> None:
    assert refusal(head + BODY)


@pytest.mark.parametrize("data", [b"\xc2", b"\xc2\xc0", b"\xc2\xff\x00", b"\x8a\x00"])
def test_cut_heads_are_refused(data: bytes) -> None:
    assert "cut short" in refusal(data)


@pytest.mark.parametrize("version", [0, 2, 3, 7, 255])
def test_outdated_and_unknown_versions_are_refused(version: int) -> None:
    assert "version" in refusal(packet(2, bytes([version]) + BODY[1:]))


@pytest.mark.parametrize("kind", [0x01, 0x02, 0x10, 0x13, 0x18, 0x20, 0x40, 0x50])
def test_signatures_over_something_else_than_data_are_refused(kind: int) -> None:
    assert "binary data" in refusal(SIGNER.signature(b"data", kind=kind))


def test_an_empty_packet_is_no_signature() -> None:
    assert refusal(packet(2, b""))


def key_refusal(data: bytes) -> str:
    with pytest.raises(InvalidValueError) as caught:
        parse_public_key(data)
    return str(caught.value)


@pytest.mark.parametrize(("version", "length"), [(4, 40), (5, 64), (6, 64)])
def test_fingerprints_of_every_version_have_their_length(version: int, length: int) -> None:
    assert len(parse_public_key(packet(6, bytes([version]) + SIGNER.body[1:])).fingerprint) == length


@pytest.mark.parametrize("version", [2, 3, 7])
def test_keys_of_other_versions_are_refused(version: int) -> None:
    assert "version" in key_refusal(packet(6, bytes([version]) + SIGNER.body[1:]))


def test_a_key_starts_with_its_primary_key() -> None:
    assert "begin" in key_refusal(packet(14, SIGNER.body) + packet(6, SIGNER.body))
    assert "begin" in key_refusal(packet(13, b"Alice") + packet(6, SIGNER.body))


@pytest.mark.parametrize("tag", [5, 7])
def test_secret_packets_are_refused_wherever_they_stand(tag: int) -> None:
    assert "secret" in key_refusal(packet(6, SIGNER.body) + packet(tag, SIGNER.body))


def test_a_key_with_fifty_thousand_signatures_is_not_read_to_its_end() -> None:
    assert "more than" in key_refusal(SIGNER.public_key + packet(2, b"") * 50_000)


def test_a_key_of_ten_megabytes_is_refused_unread() -> None:
    assert "more than" in key_refusal(SIGNER.public_key + bytes(10_000_000))
    assert "more than" in key_refusal(SIGNER.public_key + packet(13, bytes(1024 * 1024)))


@pytest.mark.parametrize("body", [b"!!!!", b"AAA", b"A===", b""])
def test_armor_that_is_not_base64_is_refused(body: bytes) -> None:
    begin, end = b"-----BEGIN PGP PUBLIC KEY BLOCK-----", b"-----END PGP PUBLIC KEY BLOCK-----"
    with pytest.raises(InvalidValueError):
        dearmor(begin + b"\n\n" + body + b"\n" + end)


def test_what_a_key_says_of_its_expiry_is_the_word_of_its_newest_self_signature() -> None:
    def certified(days: int, at: int) -> bytes:
        return SIGNER.signature(b"", kind=0x13, extra=subpacket(9, struct.pack(">I", days * 86400)), at=at)

    head = packet(6, SIGNER.body) + packet(13, b"Alice")
    key = parse_public_key(head + certified(5, 1_700_000_200) + certified(9, 1_700_000_100))
    assert key.unverified_expires == datetime.fromtimestamp(1_700_000_000 + 5 * 86400, UTC)


@pytest.mark.parametrize("tail", [b"\xff\xff\xff\xff\xff", b"\x05\x09\x00", b"\x00" * 40])
def test_broken_subpackets_say_nothing(tail: bytes) -> None:
    signature = packet(2, b"\x04\x13\x16\x08" + struct.pack(">H", len(tail)) + tail)
    assert parse_public_key(packet(6, SIGNER.body) + signature).unverified_expires is None
