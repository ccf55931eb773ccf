"""Whatever grows under a hidden name is gone after Ctrl-C, at whichever moment it comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.interruption import every_interruption

from airgap_bundle.boundary.relocation.files import write_files
from airgap_bundle.boundary.relocation.output import MARK, Made
from airgap_bundle.boundary.tokens.files import write_private
from airgap_bundle.connected.cache import BlobCache
from airgap_bundle.connected.kit.place import growing
from airgap_bundle.transfer.files_out import stage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Over = Callable[[], None]


def kit_grows(place: Path, over: Over) -> None:
    with growing(place / "kit"):
        over()


def files_come_out(place: Path, over: Over) -> None:
    def no_blob(*_: object) -> None:
        raise AssertionError

    with stage(place, (), no_blob):  # type: ignore[arg-type]  # nothing is asked for
        over()


def blob_is_kept(place: Path, over: Over) -> None:
    with BlobCache(place).draft():
        over()


def secret_is_written(place: Path, over: Over) -> None:
    write_private(place / "secret", b"s")
    over()


def names_are_written(place: Path, over: Over) -> None:
    write_files(place, [Made(path="hosts.toml", data=MARK.encode())])
    over()


# A file that was opened in the moment of the interruption is closed by nobody but the end of the command.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize(
    "work", [kit_grows, files_come_out, blob_is_kept, secret_is_written, names_are_written], ids=lambda it: it.__name__
)
def test_whenever_a_command_is_stopped_nothing_half_done_is_left(
    tmp_path: Path, work: Callable[[Path, Over], None]
) -> None:
    moments = 0
    for moments in every_interruption(lambda over: work(tmp_path, over)):
        assert [path.name for path in tmp_path.rglob(".*")] == [], moments
    assert moments > 20
