"""The example of a one-way link: a real diode tool on loopback, through a line that loses packets."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.trip import Trip, make_trip, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "diode"
SECONDS = 100
KIB = 1024

pytestmark = [
    pytest.mark.tools("bash", "tar", "sha256sum"),
    pytest.mark.skipif(
        shutil.which("pydiode", path=str(Path(sys.executable).parent)) is None,
        reason="pydiode is not installed; tests/run installs it",
    ),
]


@pytest.fixture
def trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trip]:
    with make_trip(tmp_path, monkeypatch) as made:
        yield made


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def lossy_link(loses: Callable[[int, bytes], bool]) -> Iterator[tuple[int, int]]:
    """A link from one UDP port to another; `loses` is asked for each packet, with the number of the transmission.

    The ports to send to and to receive from.
    """
    receiving = free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.bind(("127.0.0.1", 0))
        line.settimeout(0.2)
        sending = int(line.getsockname()[1])
        ended = threading.Event()

        def carry() -> None:
            transmission, was_end = 1, False
            while not ended.is_set():
                try:
                    packet = line.recv(65507)
                except TimeoutError:
                    continue
                # K is the colour of the packets that end a transmission.
                is_end = packet[:1] == b"K"
                transmission += was_end and not is_end
                was_end = is_end
                if is_end or not loses(transmission, packet):
                    line.sendto(packet, ("127.0.0.1", receiving))

        thread = threading.Thread(target=carry)
        thread.start()
        try:
            yield sending, receiving
        finally:
            ended.set()
            thread.join()


def pieces_of(file: Path) -> tuple[bytes, ...]:
    """Two pieces of a file, so far apart that no end of a packet is in both: a packet with one of them is lost."""
    data = file.read_bytes()
    return data[-50_000:-49_968], data[-80_000:-79_968]


def environment(trip: Trip, port: int, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "AIRGAP_POLICY": str(trip.policy),
        "AIRGAP_STATE": str(trip.state),
        "DIODE_PORT": str(port),
        "DIODE_BITRATE": "100000000",
        "DIODE_PAUSE": "0.5",
        **more,
    }


@contextlib.contextmanager
def started(program: str, *arguments: object, **options: object) -> Iterator[subprocess.Popen[str]]:
    """A script of the example with all that it starts, ended with it."""
    process = subprocess.Popen(
        [EXAMPLE / program, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        **options,  # type: ignore[call-overload]  # env
    )
    with process:
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 9)


def wait_for_receiver(port: int) -> None:
    """Until somebody listens on the UDP port."""
    wanted = f"0100007F:{port:04X} "
    while wanted not in Path("/proc/net/udp").read_text():
        pass


def test_a_bundle_comes_through_as_a_stream_although_packets_are_lost(trip: Trip) -> None:
    image = trip.one_image(size=300 * KIB)
    bundle = trip.build()
    # All copies of one packet, so that the first pass is not whole.
    lost = pieces_of(bundle)
    with (
        lossy_link(lambda transmission, packet: transmission == 1 and any(piece in packet for piece in lost)) as (
            to,
            port,
        ),
        started("receive-stream", trip.dest, env=environment(trip, port)) as receiver,
    ):
        wait_for_receiver(port)
        with started("send", bundle, env=environment(trip, to, DIODE_ROUNDS="12")):
            out = receiver.communicate(timeout=SECONDS)[0]
    assert receiver.returncode == 0, out
    assert "did not bring all of it" in out
    assert trip.inside("acme/app", "1.0") == image.digest


@pytest.mark.slow
def test_volumes_that_were_lost_are_named_and_sent_again(trip: Trip, tmp_path: Path) -> None:
    image = trip.one_image(size=300 * KIB)
    volumes = tmp_path / "volumes"
    said = run("airgap-export", "cut", trip.build(), "--volume-size", "600kB", "-o", volumes)
    assert said.status == 0, said.err
    incoming = tmp_path / "incoming"
    lost = pieces_of(volumes / "acme.tar.002")
    losing = [True]

    def loses(_transmission: int, packet: bytes) -> bool:
        return losing[0] and any(piece in packet for piece in lost)

    with (
        lossy_link(loses) as (to, port),
        started("receive-volumes", incoming, trip.dest, env=environment(trip, port)) as receiver,
    ):
        wait_for_receiver(port)
        with started(
            "send", *sorted(volumes.iterdir()), env=environment(trip, to, DIODE_ROUNDS="2", DIODE_NAMED="1")
        ) as sender:
            sender.communicate(timeout=SECONDS)
        wait_for_receiver(port)
        assert (incoming / "again").read_text().splitlines() == ["acme.tar.002"]
        assert trip.inner_tags() == {}
        losing[0] = False
        again = volumes / "acme.tar.002"
        with started("send", again, env=environment(trip, to, DIODE_ROUNDS="8", DIODE_NAMED="1")):
            out = receiver.communicate(timeout=SECONDS)[0]
    assert receiver.returncode == 0, out
    assert trip.inside("acme/app", "1.0") == image.digest


def test_a_bundle_of_a_stranger_is_not_waited_for_again(trip: Trip) -> None:
    trip.one_image()
    bundle = trip.build(sign="stranger")
    with (
        lossy_link(lambda *_: False) as (to, port),
        started("receive-stream", trip.dest, env=environment(trip, port)) as receiver,
    ):
        wait_for_receiver(port)
        with started("send", bundle, env=environment(trip, to, DIODE_ROUNDS="10")):
            out = receiver.communicate(timeout=SECONDS)[0]
    assert receiver.returncode == 3, out
    assert trip.inner_tags() == {}


@pytest.mark.parametrize("program", ["send", "receive-stream", "receive-volumes"])
def test_each_script_says_how_it_is_used_and_what_it_lacks(program: str, tmp_path: Path) -> None:
    bare = subprocess.run([EXAMPLE / program], capture_output=True, text=True, check=False)
    assert (bare.returncode, bare.stderr.splitlines()[0].partition(" ")[0]) == (2, "usage:")
    for name in ("bash", "env", "cat"):
        (tmp_path / name).symlink_to(shutil.which(name) or f"/bin/{name}")
    words = [EXAMPLE / program, tmp_path / "x", "registry.example"]
    lacking = subprocess.run(words, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert lacking.returncode == 6
    assert "pip install pydiode" in lacking.stderr
