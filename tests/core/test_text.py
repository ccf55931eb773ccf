"""Text from outside, and quantities for people."""

from __future__ import annotations

import pytest

from airgap_bundle.core.text import count_text, duration_text, printable, size_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("docker.io/library/redis:7", "docker.io/library/redis:7"),
        ("naïve 漢字 →", "naïve 漢字 →"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x1b]52;c;cGF5\x07", r"\x1b]52;c;cGF5\x07"),  # OSC 52 writes the clipboard
        ("\x9b31m", r"\x9b31m"),  # C1: the same as ESC [
        ("a\nb", r"a\nb"),
        ("a\rb", r"a\rb"),
        ("a\tb", r"a\tb"),
        ("a\0b", r"a\x00b"),
        ("a\x7fb", r"a\x7fb"),
        ("a\u2028b", r"a\u2028b"),
        ("\u202egnp.exe", r"\u202egnp.exe"),  # right to left
        ("\u2066x\u2069", r"\u2066x\u2069"),
        ("re\u200bdis", r"re\u200bdis"),  # a joint that nobody sees
        ("\ufeffx", r"\ufeffx"),
        ("\udc80", r"\udc80"),  # a byte of a file name that is no UTF-8
        ("\U000e0041", r"\U000e0041"),  # a tag character
    ],
)
def test_what_could_act_is_written_as_an_escape(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_named_characters_stay() -> None:
    assert printable("a\nb\x1b", keep="\n") == "a\nb\\x1b"


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (724_100_000, "724.1 MB"),
        (4_700_000_000, "4.7 GB"),
        (10**15, "1.0 PB"),
        (2**63 - 1, "9223.4 PB"),
    ],
)
def test_sizes_are_decimal(count: int, shown: str) -> None:
    assert size_text(count) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0.0 s"),
        (0.44, "0.4 s"),
        (59.9, "59.9 s"),
        (59.96, "1 min 0 s"),
        (200, "3 min 20 s"),
        (3599.7, "1 h 0 min"),
        (7500, "2 h 5 min"),
    ],
)
def test_durations_are_short(seconds: float, shown: str) -> None:
    assert duration_text(seconds) == shown


def test_a_number_goes_with_its_noun() -> None:
    assert [count_text(n, "image") for n in (0, 1, 2)] == ["0 images", "1 image", "2 images"]
    assert count_text(2, "entry", "entries") == "2 entries"
