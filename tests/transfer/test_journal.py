"""The journal of a growing bundle: only what is on the medium is believed, and only for the bundle it was kept for."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from airgap_bundle.core.content import MAX_SIZE_BYTES, Digest
from airgap_bundle.core.errors import HostError
from airgap_bundle.transfer.journal import Journal

if TYPE_CHECKING:
    from pathlib import Path

BUNDLE = Digest.of(b"bundle")
ONE, TWO, THREE = Digest.of(b"1"), Digest.of(b"2"), Digest.of(b"3")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.tar.partial.journal"


def kept(path: Path, *digests: Digest) -> None:
    with closing(Journal(path, BUNDLE, 1000)) as journal:
        journal.add(digests)


def finished(path: Path, bundle: Digest = BUNDLE, total: int = 1000, held: int | None = 1000) -> frozenset[Digest]:
    with closing(Journal(path, bundle, total, held_bytes=held)) as journal:
        return journal.finished


def test_thousands_that_finished_at_once_are_all_known(path: Path) -> None:
    many = [Digest.of(b"%d" % number) for number in range(2_500)]
    kept(path, *many)
    assert finished(path) == set(many)


def test_a_second_run_knows_what_the_first_had_finished(path: Path) -> None:
    kept(path, ONE)
    kept(path, TWO)
    assert finished(path) == {ONE, TWO}


def test_without_a_journal_nothing_is_finished(path: Path) -> None:
    assert finished(path) == frozenset()


def test_the_journal_of_another_bundle_is_forgotten(path: Path) -> None:
    kept(path, ONE)
    assert finished(path, Digest.of(b"another")) == frozenset()
    assert finished(path) == frozenset()


def test_the_journal_of_a_bundle_of_another_length_is_forgotten(path: Path) -> None:
    kept(path, ONE)
    assert finished(path, total=1001, held=1001) == frozenset()


@pytest.mark.parametrize("held", [0, 1001])
def test_a_journal_whose_file_is_gone_or_another_is_forgotten(path: Path, held: int) -> None:
    """Else blobs that are only zeros would be taken for finished ones."""
    kept(path, ONE)
    assert finished(path, held=held) == frozenset()
    assert finished(path) == frozenset()


def test_a_last_line_that_a_crash_tore_is_ignored_at_every_length(path: Path) -> None:
    kept(path, ONE, TWO, THREE)
    whole = path.read_bytes()
    for length in range(len(whole) - 71, len(whole)):
        path.write_bytes(whole[:length])
        assert {ONE, TWO} <= finished(path) <= {ONE, TWO, THREE}


def test_a_torn_line_is_cut_off_so_that_what_follows_counts(path: Path) -> None:
    kept(path, ONE)
    path.write_bytes(path.read_bytes() + b"sha256:0123")
    kept(path, TWO)
    assert finished(path) == {ONE, TWO}


def test_a_torn_line_in_the_middle_ends_what_is_believed(path: Path) -> None:
    kept(path, ONE)
    path.write_bytes(path.read_bytes() + b"sha256:0123\n" + f"{TWO}\n".encode())
    assert finished(path) == {ONE}


def test_how_far_a_blob_has_come_is_known_until_it_is_finished(path: Path) -> None:
    with closing(Journal(path, BUNDLE, 1000)) as journal:
        journal.note(ONE, 100)
        journal.note(TWO, 50)
        journal.note(ONE, 200)
        journal.note(THREE, 10)
        journal.add([THREE])
        journal.note(THREE, 5)
    with closing(Journal(path, BUNDLE, 1000, held_bytes=1000)) as journal:
        assert (journal.written, journal.finished) == ({ONE: 200, TWO: 50}, {THREE})


def test_of_a_file_that_grew_in_order_nothing_is_believed_unseen(path: Path) -> None:
    kept(path, ONE)
    with closing(Journal(path, BUNDLE, 1000, held_bytes=999)) as journal:
        assert (journal.written, journal.finished) == ({ONE: MAX_SIZE_BYTES}, frozenset())


@pytest.mark.parametrize("count", ["", "-1", "1.5", "x", "9" * 20, "1 2", "\u0661"])
def test_a_number_that_is_none_ends_what_is_believed(path: Path, count: str) -> None:
    kept(path, ONE)
    path.write_bytes(path.read_bytes() + f"{TWO} {count}\n".encode())
    with closing(Journal(path, BUNDLE, 1000, held_bytes=1000)) as journal:
        assert (journal.written, journal.finished) == ({}, {ONE})


@pytest.mark.parametrize("raw", [b"", b"\xff\xfe", b"airgap-bundle journal 2\n", b"\0" * 4096])
def test_a_file_that_is_no_journal_is_replaced(path: Path, raw: bytes) -> None:
    path.write_bytes(raw)
    assert finished(path) == frozenset()
    kept(path, ONE)
    assert finished(path) == {ONE}


def test_a_journal_that_cannot_be_written_is_an_error_of_this_machine(path: Path) -> None:
    with pytest.raises(HostError, match="No such file"):
        Journal(path.parent / "missing" / path.name, BUNDLE, 1000)
