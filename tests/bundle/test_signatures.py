"""The signature area: what is added is there, and a crash at any moment leaves the old signatures or the new ones."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from airgap_bundle.bundle.layout import RESERVED, SIGNATURE_AREA_BYTES, member_bytes, tar_header
from airgap_bundle.bundle.signatures import (
    MAX_SIGNATURE_BYTES,
    MAX_SIGNATURES,
    PREFIX,
    SignatureFile,
    Write,
    build_area,
    parse_area,
    plan_addition,
)
from airgap_bundle.core.errors import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SECTOR_BYTES = 512


def signature(seed: int, size: int = 1200) -> SignatureFile:
    data = random.Random(f"signature {seed}").randbytes(size)
    return SignatureFile(name=f"openpgp-{seed:040x}.sig", data=data)


def apply(area: bytes, writes: Sequence[Write]) -> bytes:
    result = bytearray(area)
    for write in writes:
        result[write.at : write.at + len(write.data)] = write.data
    assert len(result) == SIGNATURE_AREA_BYTES
    return bytes(result)


def torn(area: bytes, writes: Sequence[Write], seed: str = "") -> Iterator[bytes]:
    """Every state in which a crash may leave the area: some writes done, and any sectors of the next one.

    Sectors reach the medium in any order, so besides every front and every back part some at random are tried.
    """
    chance = random.Random(f"torn {seed}")
    for done, write in enumerate(writes):
        before = apply(area, writes[:done])
        sectors = [
            Write(at=write.at + n, data=write.data[n : n + SECTOR_BYTES])
            for n in range(0, len(write.data), SECTOR_BYTES)
        ]
        for count in range(len(sectors) + 1):
            yield apply(before, sectors[:count])
            yield apply(before, sectors[count:])
            yield apply(before, chance.sample(sectors, count))


def test_an_empty_area_holds_no_signature() -> None:
    area = build_area([])
    assert (len(area), parse_area(area)) == (SIGNATURE_AREA_BYTES, ())
    assert area == tar_header(RESERVED, SIGNATURE_AREA_BYTES - 512) + bytes(SIGNATURE_AREA_BYTES - 512)


@pytest.mark.parametrize("size", [1, 511, 512, 513, MAX_SIGNATURE_BYTES])
def test_what_was_put_in_comes_out(size: int) -> None:
    signatures = (signature(1, size), signature(2), signature(3, size))
    assert parse_area(build_area(signatures)) == signatures


@pytest.mark.parametrize("count", range(MAX_SIGNATURES))
def test_adding_one_after_another_is_the_same_as_building_with_all_of_them(count: int) -> None:
    signatures = [signature(n, 100 * n + 1) for n in range(count + 1)]
    area = build_area([])
    for each in signatures:
        area = apply(area, plan_addition(area, each))
    assert area == build_area(signatures)


def test_a_key_that_has_signed_already_changes_nothing() -> None:
    area = build_area([signature(1)])
    assert plan_addition(area, SignatureFile(name=signature(1).name, data=b"made a second later")) == ()


def test_the_seventeenth_signature_is_refused() -> None:
    area = build_area([signature(n, 100) for n in range(MAX_SIGNATURES)])
    with pytest.raises(InvalidValueError, match="16 signatures already"):
        plan_addition(area, signature(99))
    with pytest.raises(InvalidValueError, match="full"):
        build_area([signature(n, 100) for n in range(MAX_SIGNATURES + 1)])


def test_an_area_with_seventeen_signatures_is_refused() -> None:
    front = b"".join(member_bytes(PREFIX + signature(n).name, b"x") for n in range(MAX_SIGNATURES + 1))
    left = SIGNATURE_AREA_BYTES - len(front) - 512
    with pytest.raises(InvalidValueError, match="more than 16"):
        parse_area(front + tar_header(RESERVED, left) + bytes(left))


def test_an_area_without_room_says_so() -> None:
    area = build_area([signature(n, MAX_SIGNATURE_BYTES) for n in range(15)])
    with pytest.raises(InvalidValueError, match="full"):
        plan_addition(area, signature(99, MAX_SIGNATURE_BYTES))
    # Less of it still fits.
    assert len(parse_area(apply(area, plan_addition(area, signature(99, 50_000))))) == 16


def test_an_area_may_be_filled_to_the_last_byte() -> None:
    used = 15 * (512 + MAX_SIGNATURE_BYTES)
    rest = SIGNATURE_AREA_BYTES - used - 512 - 512
    signatures = [signature(n, MAX_SIGNATURE_BYTES) for n in range(15)]
    area = build_area(signatures)
    full = apply(area, plan_addition(area, signature(15, rest)))
    assert (full[-512:], parse_area(full)) == (tar_header(RESERVED, 0), (*signatures, signature(15, rest)))


ADDITIONS = {
    "into an empty area": (0, 1200),
    "behind another": (1, 1200),
    "of one byte": (1, 1),
    "of 10 kB": (0, 10_000),
}


@pytest.mark.parametrize(("present", "size"), ADDITIONS.values(), ids=ADDITIONS)
def test_a_crash_at_any_moment_leaves_the_old_signatures_or_the_new_ones(present: int, size: int) -> None:
    old = tuple(signature(n) for n in range(present))
    new = (*old, signature(9, size))
    area = build_area(old)
    found = {parse_area(state) for state in torn(area, plan_addition(area, new[-1]))}
    assert found == {old, new}


@pytest.mark.parametrize("second_size", [1, 1500])
def test_after_a_crash_at_any_moment_adding_works_and_may_crash_again(second_size: int) -> None:
    old = (signature(0),)
    area = build_area(old)
    first, second = signature(1, 600), signature(2, second_size)
    for state in set(torn(area, plan_addition(area, first))):
        writes = plan_addition(state, second)
        before = parse_area(state)
        assert parse_area(apply(state, writes)) == (*before, second)
        for again in torn(state, writes, "again"):
            assert parse_area(again) in {before, (*before, second)}


def test_left_overs_are_gone_after_the_next_addition() -> None:
    area = build_area([])
    interrupted = apply(area, plan_addition(area, signature(1, 3000))[:-1])
    assert apply(interrupted, plan_addition(interrupted, signature(2, 10))) == build_area([signature(2, 10)])


def test_signing_again_with_the_same_key_after_a_crash_gives_what_an_undisturbed_signing_gives() -> None:
    area = build_area([])
    for state in set(torn(area, plan_addition(area, signature(1)))):
        assert apply(state, plan_addition(state, signature(1))) == build_area([signature(1)])


def test_a_signature_that_looks_like_the_header_of_the_reserved_part_survives_a_crash() -> None:
    """Left-overs are found by their end, since their data may hold anything."""
    area = build_area([])
    fake = b"x" * 512 + tar_header(RESERVED, SIGNATURE_AREA_BYTES - 512 - 1024) + b"y" * 700
    tricky = SignatureFile(name=signature(1).name, data=fake)
    assert {parse_area(state) for state in torn(area, plan_addition(area, tricky))} == {(), (tricky,)}


def test_no_write_touches_what_is_signed_already_and_only_the_last_one_the_old_header() -> None:
    old = signature(0, 700)
    area = build_area([old])
    reserved_at = 512 + 1024
    writes = plan_addition(area, signature(1))
    assert all(write.at > reserved_at for write in writes[:-1])
    assert (writes[-1].at, len(writes[-1].data)) == (reserved_at, SECTOR_BYTES)


def area_of(*members: bytes) -> bytes:
    front = b"".join(members)
    left = SIGNATURE_AREA_BYTES - len(front) - 512
    return front + tar_header(RESERVED, left) + bytes(left)


def with_byte(area: bytes, at: int, value: int) -> bytes:
    return area[:at] + bytes([value]) + area[at + 1 :]


GOOD = member_bytes(PREFIX + signature(1).name, b"signature")
FOREIGN_AREAS = {
    "cut short": build_area([])[:-1],
    "too long": build_area([]) + b"\0",
    "nothing": b"",
    "zeros": bytes(SIGNATURE_AREA_BYTES),
    "the same name twice": area_of(GOOD, GOOD),
    "one name for two signatures": area_of(GOOD, member_bytes(PREFIX + signature(1).name, b"another")),
    "a foreign member": area_of(GOOD, member_bytes("airgap/notes.txt", b"read me")),
    "a second inventory": area_of(member_bytes("airgap/inventory.json", b"{}")),
    "a blob": area_of(member_bytes(f"blobs/sha256/{'0' * 64}", b"")),
    "a directory below": area_of(member_bytes(PREFIX + "more/" + signature(1).name, b"x")),
    "an empty signature": area_of(member_bytes(PREFIX + signature(1).name, b"")),
    "a signature too long": area_of(member_bytes(PREFIX + signature(1).name, b"x" * (MAX_SIGNATURE_BYTES + 1))),
    "a fingerprint in capitals": area_of(member_bytes(PREFIX + f"openpgp-{'AB' * 20}.sig", b"x")),
    "a short key id": area_of(member_bytes(PREFIX + "openpgp-0123456789abcdef.sig", b"x")),
    "an unknown kind": area_of(member_bytes(PREFIX + f"x509-{'ab' * 20}.sig", b"x")),
    "padding that is not empty": with_byte(area_of(GOOD), 1023, 1),
    "one byte at the very end": with_byte(build_area([]), SIGNATURE_AREA_BYTES - 1, 1),
    "one byte right behind the header": with_byte(build_area([]), 512, 1),
    "left-overs that end with another header": build_area([])[:1024] + GOOD + bytes(SIGNATURE_AREA_BYTES - 2048),
    "left-overs longer than a signature": build_area([])[: 512 * 200]
    + tar_header(RESERVED, SIGNATURE_AREA_BYTES - 512 * 201)
    + bytes(SIGNATURE_AREA_BYTES - 512 * 201),
    "left-overs of no data": build_area([])[:512]
    + tar_header(RESERVED, SIGNATURE_AREA_BYTES - 1024)
    + bytes(SIGNATURE_AREA_BYTES - 1024),
    "reserved part too short": tar_header(RESERVED, 512) + bytes(SIGNATURE_AREA_BYTES - 512),
    "reserved part too long": tar_header(RESERVED, SIGNATURE_AREA_BYTES) + bytes(SIGNATURE_AREA_BYTES - 512),
    "a signature up to the very end": tar_header(PREFIX + signature(1).name, SIGNATURE_AREA_BYTES - 512)
    + bytes(SIGNATURE_AREA_BYTES - 512),
    "no reserved part": tar_header(PREFIX + signature(1).name, 8 * 1024**3) + bytes(SIGNATURE_AREA_BYTES - 512),
}


@pytest.mark.parametrize("area", FOREIGN_AREAS.values(), ids=FOREIGN_AREAS)
def test_an_area_that_this_format_does_not_write_is_refused(area: bytes) -> None:
    with pytest.raises(InvalidValueError):
        parse_area(area)
    with pytest.raises(InvalidValueError):
        plan_addition(area, signature(5))


@pytest.mark.parametrize(
    "name",
    [
        "",
        "openpgp-.sig",
        f"openpgp-{'a' * 40}.asc",
        f"openpgp-{'a' * 41}.sig",
        f"openpgp-{'a' * 40}.sig\n",
        f"../openpgp-{'a' * 40}.sig",
        "keyless-0123456789ABCDEF.sigstore.json",
        "key-0123456789abcde.sigstore.json",
        "reserved",
    ],
)
def test_a_name_that_is_none_of_a_signature_is_refused(name: str) -> None:
    with pytest.raises(InvalidValueError, match="not the name of a signature"):
        SignatureFile(name=name, data=b"x")


@pytest.mark.parametrize(
    "name",
    [
        f"openpgp-{'a' * 40}.sig",
        f"openpgp-{'b' * 64}.sig",
        "keyless-0123456789abcdef.sigstore.json",
        "key-0123456789abcdef.sigstore.json",
    ],
)
def test_the_names_of_all_kinds_of_signatures_are_accepted(name: str) -> None:
    assert parse_area(build_area([SignatureFile(name=name, data=b"x")]))[0].name == name


def test_any_flipped_bit_in_front_of_the_reserved_zeros_is_refused_or_changes_what_is_read() -> None:
    old = (signature(1, 100), signature(2, 600))
    area = build_area(old)
    used = area.index(tar_header(RESERVED, SIGNATURE_AREA_BYTES - 512 - 512 - 512 - 1024 - 512)) + 512
    chance = random.Random("area bits")
    for bit in chance.sample(range(used * 8), 200):
        flipped = bytearray(area)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            assert parse_area(bytes(flipped)) != old
        except InvalidValueError:
            continue
