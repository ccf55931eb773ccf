"""A push from a web server that goes wrong at any of its requests: refused or got over, and never a tag too early."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.images import single_image
from support.range_server import Fault, RangeServer
from support.scripted_server import Received, answer
from support.trip import Said, Trip, make_trip, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MIB = 1024 * 1024


@pytest.fixture
def trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trip]:
    with make_trip(tmp_path, monkeypatch) as made:
        images = {("acme/app", f"{number}"): single_image(f"{number}", size=2 * MIB, base="b") for number in range(2)}
        images["acme/small", "1"] = single_image("small", base="c")
        made.manifest_of_images(*made.put(images))
        yield made


def flipped(server: RangeServer) -> Callable[[Received], bytes]:
    """The right answer with its last byte changed."""

    def reply(request: Received) -> bytes:
        raw = server.right(request)
        return raw[:-1] + bytes([raw[-1] ^ 1])

    return reply


def longer(server: RangeServer) -> Callable[[Received], bytes]:
    """The right bytes of a file that is said to be longer."""

    def reply(request: Received) -> bytes:
        return server.right(request).replace(
            f"/{len(server.data)}\r\n".encode(), f"/{len(server.data) + 512}\r\n".encode()
        )

    return reply


def later(server: RangeServer) -> Callable[[Received], bytes]:
    """The range behind the one that was asked for, of which it says that it is the right one."""

    def reply(request: Received) -> bytes:
        head, _, body = server.right(request).partition(b"\r\n\r\n")
        return head + b"\r\n\r\n" + body[1:] + b"\0"

    return reply


FAULTS: dict[str, tuple[Callable[[RangeServer], Fault], set[tuple[int, str]]]] = {
    "a dropped line": (lambda _: Fault(cut_after=300), {(0, "")}),
    "no answer": (lambda _: Fault(cut_after=0), {(0, "")}),
    "a hiccup": (lambda _: Fault(reply=answer(502)), {(0, "")}),
    "another file": (lambda _: Fault(reply=answer(412)), {(5, "AB-URL-CHANGED")}),
    "a longer file": (lambda server: Fault(reply=longer(server)), {(5, "AB-URL-CHANGED"), (4, "AB-BUNDLE-TRAILING")}),
    "all of it": (lambda server: Fault(reply=answer(200, server.data), cut_after=MIB), {(5, "AB-URL-NO-RANGES")}),
    "a login page": (
        lambda _: Fault(reply=answer(200, "<html>")),
        {(5, "AB-URL-NO-RANGES"), (4, "AB-BUNDLE-NOT-A-BUNDLE")},
    ),
    "the wrong bytes": (
        lambda server: Fault(reply=later(server)),
        {(4, "AB-BUNDLE-BLOB"), (4, "AB-BUNDLE-MALFORMED"), (4, "AB-BUNDLE-NOT-A-BUNDLE")},
    ),
    "a changed byte": (
        lambda server: Fault(reply=flipped(server)),
        {(4, "AB-BUNDLE-BLOB"), (4, "AB-BUNDLE-MALFORMED"), (0, "")},
    ),
    "a redirect": (lambda _: Fault(reply=answer(301, location="http://127.0.0.2/a.tar")), {(5, "AB-URL-REDIRECT")}),
    "a forbidden file": (lambda _: Fault(reply=answer(403)), {(5, "AB-URL-FORBIDDEN")}),
}


QUICK = {"another file", "a changed byte"}


@pytest.mark.parametrize(
    "fault", [pytest.param(each, marks=() if each in QUICK else pytest.mark.slow) for each in FAULTS]
)
def test_what_goes_wrong_at_any_request_is_got_over_or_said(trip: Trip, tmp_path: Path, fault: str) -> None:
    make, expected = FAULTS[fault]
    data = trip.build().read_bytes()
    number, seen = 0, set()
    while True:
        state = ("--state", tmp_path / f"state-{number}")
        words = ("push", "@", f"dir:{tmp_path / f'registry-{number}'}", "--policy", trip.policy, *state)
        with RangeServer(data=data) as server:
            server.faults[number] = make(server)
            said = run_push(server.url, words)
        if number >= server.count:
            # Everything was asked for without it.
            break
        outcome = (said.status, said.json["error"]["code"] if said.status else "")
        assert outcome in expected, (number, said.out)
        seen.add(outcome)
        if said.status:
            with RangeServer(data=data) as server:
                again = run_push(server.url, words)
            assert (again.status, again.json["tagsMoved"]) == (0, 3), again.err
        number += 1
    assert number >= 5
    assert seen


def run_push(url: str, words: tuple[object, ...]) -> Said:
    return run("airgap-import", *(url if word == "@" else word for word in words), "--format", "json")
