"""What holds for every value of `core`."""

from __future__ import annotations

import json

import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from airgap_bundle.core.content import ContentMismatchError, Digest, copy_verified, new_buffer
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.core.oci import Platform, Reference
from airgap_bundle.core.strictjson import MAX_INTEGER, canonical, parse_object
from airgap_bundle.core.text import printable


class Dripping:
    """A source that gives as few bytes at a time as the list says, then as many as are asked for."""

    def __init__(self, data: bytes, steps: list[int]) -> None:
        self.left = data
        self.steps = iter(steps)

    def readinto(self, buffer: memoryview, /) -> int:
        count = min(len(buffer), len(self.left), next(self.steps, len(buffer)))
        buffer[:count] = self.left[:count]
        self.left = self.left[count:]
        return count


class Collector:
    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: memoryview, /) -> None:
        self.data += data


CONTENT = st.binary(max_size=300)
STEPS = st.lists(st.integers(min_value=1, max_value=50), max_size=30)
BUFFERS = st.integers(min_value=1, max_value=64)


@given(data=CONTENT, steps=STEPS, buffer=BUFFERS)
def test_however_it_drips_the_right_content_arrives_whole(data: bytes, steps: list[int], buffer: int) -> None:
    sink, moved = Collector(), [0]
    copy_verified(
        Dripping(data, steps),
        sink,
        digest=Digest.of(data),
        size=len(data),
        buffer=new_buffer(buffer),
        moved=moved.append,
    )
    assert bytes(sink.data) == data
    assert sum(moved) == len(data)


@given(data=CONTENT, other=CONTENT, steps=STEPS, buffer=BUFFERS)
def test_a_sink_never_has_all_of_a_size_unless_the_content_is_right(
    data: bytes, other: bytes, steps: list[int], buffer: int
) -> None:
    sink = Collector()
    try:
        copy_verified(Dripping(other, steps), sink, digest=Digest.of(data), size=len(data), buffer=new_buffer(buffer))
    except ContentMismatchError:
        assert other != data
        assert len(sink.data) < max(1, len(data))
    else:
        assert other == data


# What our own documents hold: ASCII keys, and no number that is not a whole one below 2^53.
KEYS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=8)
STRINGS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NUMBERS = st.integers(min_value=-MAX_INTEGER, max_value=MAX_INTEGER)
DOCUMENTS = st.dictionaries(
    KEYS,
    st.recursive(
        st.none() | st.booleans() | NUMBERS | STRINGS,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
        max_leaves=12,
    ),
    max_size=5,
)


@given(document=DOCUMENTS)
def test_our_canonical_form_is_that_of_rfc_8785(document: dict[str, object]) -> None:
    assert canonical(document) == rfc8785.dumps(document)  # type: ignore[arg-type]  # it has a recursive type of its own


@given(document=DOCUMENTS)
def test_what_is_written_is_read_again(document: dict[str, object]) -> None:
    assert parse_object(canonical(document), max_bytes=100_000) == document


@given(
    raw=st.binary(max_size=60) | STRINGS.map(str.encode) | DOCUMENTS.map(lambda value: json.dumps(value).encode()[1:])
)
def test_any_bytes_are_an_object_or_refused(raw: bytes) -> None:
    try:
        value = parse_object(raw, max_bytes=100_000)
    except InvalidValueError:
        return
    assert isinstance(value, dict)


@given(text=st.text(max_size=80))
def test_any_text_is_a_reference_that_reads_back_or_is_refused(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except InvalidValueError:
        return
    assert Reference.parse(str(reference)) == reference


COMPONENTS = st.from_regex(r"[a-z0-9]+([._-][a-z0-9]+)?", fullmatch=True).filter(lambda text: len(text) < 30)


@given(
    host=st.sampled_from(["docker.io", "ghcr.io", "localhost", "localhost:5000", "127.0.0.1:5000", "[::1]:5000", "R"]),
    path=st.lists(COMPONENTS, min_size=2, max_size=4).map("/".join),
    tag=st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True) | st.just(""),
    pinned=st.booleans(),
)
def test_a_reference_in_full_reads_back_as_itself(host: str, path: str, tag: str, pinned: bool) -> None:  # noqa: FBT001 - hypothesis names it
    reference = Reference(host=host, repository=path, tag=tag, digest=Digest.of(b"") if pinned or not tag else None)
    assert Reference.parse(str(reference)) == reference


@given(text=st.text(st.characters(max_codepoint=0x7F), max_size=30))
def test_any_text_is_a_platform_that_reads_back_or_is_refused(text: str) -> None:
    try:
        platform = Platform.parse(text)
    except InvalidValueError:
        return
    assert str(platform) == text


@given(text=st.text(max_size=50))
def test_what_is_shown_never_acts_and_is_stable(text: str) -> None:
    shown = printable(text)
    assert not any(ord(char) < 0x20 or 0x7F <= ord(char) < 0xA0 for char in shown)
    assert printable(shown) == shown
    assert shown.encode("utf-8").decode("utf-8") == shown
