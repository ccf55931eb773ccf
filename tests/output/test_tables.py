"""Tables, pairs and closing lines."""

import pytest
from support.hostile import HOSTILE, acting_characters

from airgap_bundle.output.cells import width_of
from airgap_bundle.output.tables import closing_line, pairs, table

DIGEST = "sha256:" + "0123456789abcdef" * 4


def test_columns_are_aligned_and_quantities_stand_to_the_right() -> None:
    assert table(("IMAGE", "SIZE"), [("redis", "1.0 MB"), ("postgres", "128.0 MB")], right=(1,)).splitlines() == [
        "IMAGE         SIZE",
        "redis       1.0 MB",
        "postgres  128.0 MB",
    ]


def test_nothing_is_left_out_where_nothing_has_to_fit() -> None:
    assert DIGEST in table(("IMAGE", "DIGEST"), [("x" * 200, DIGEST)])


def test_digests_are_shortened_for_people() -> None:
    assert table(("DIGEST",), [(DIGEST,)], width=80).splitlines()[1] == "sha256:0123456789ab…cdef"


@pytest.mark.parametrize("width", [40, 80, 120])
def test_every_line_fits_the_terminal(width: int) -> None:
    rows = [(text, text, "1 MB") for text in HOSTILE]
    drawn = table(("IMAGE", "TAG", "SIZE"), rows, width=width, right=(2,))
    assert len(drawn.splitlines()) == len(rows) + 1
    assert max(map(width_of, drawn.splitlines())) <= width
    assert acting_characters(drawn) == set()


def test_the_widest_column_gives_first() -> None:
    drawn = table(("A", "B"), [("a" * 100, "b" * 20)], width=60).splitlines()[1]
    assert drawn.endswith("b" * 20)
    assert len(drawn) == 60


def test_a_table_of_no_rows_is_its_headers() -> None:
    assert table(("A", "B"), [], width=80) == "A  B"


def test_a_row_of_another_length_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="headers"):
        table(("A", "B"), [("a",)])


def test_pairs_align_their_values() -> None:
    assert pairs([("name", "acme"), ("bundle id", "sha256:00")]) == "name:       acme\nbundle id:  sha256:00"
    assert pairs([]) == ""


@pytest.mark.parametrize("text", HOSTILE)
def test_pairs_fit_and_only_are_read(text: str) -> None:
    drawn = pairs([("name", text), ("other", "value")], width=80)
    assert len([line for line in drawn.splitlines() if not line.startswith("  ")]) == 2
    assert max(map(width_of, drawn.splitlines())) <= 80
    assert acting_characters(drawn) == set()
    assert acting_characters(pairs([(text, "value")], width=80)) == set()


def test_a_value_wider_than_the_terminal_goes_on_below_itself() -> None:
    value = "three words and a digest that people compare"
    assert pairs([("signed by", value)], width=40) == (
        "signed by:  three words and a digest\n            that people compare"
    )


def test_sentences_of_a_table_are_folded_and_not_cut() -> None:
    drawn = table(("", "SEEN"), [("1", "signed with the key " + "ab" * 10)], width=24, fold=True)
    assert drawn.splitlines() == ["   SEEN", "1  signed with the key", "   " + "ab" * 10]
    assert table(("", "SEEN"), [("1", "one two")], fold=True) == "   SEEN\n1  one two"


def test_a_closing_line_says_what_was_done_in_plain_words() -> None:
    line = closing_line(
        "Wrote",
        "acme-1.0.0.tar",
        [(8, "image"), (2, "chart"), (0, "artifact"), (1, "file")],
        size=268_100_000,
        seconds=1.2,
    )
    assert line == "Wrote acme-1.0.0.tar: 8 images, 2 charts, 1 file, 268.1 MB in 1.2 s"
    assert closing_line("Verified", "acme.tar") == "Verified acme.tar"
    assert closing_line("Pushed", "", seconds=61) == "Pushed in 1 min 1 s"


@pytest.mark.parametrize("text", HOSTILE)
def test_a_closing_line_stays_one_line(text: str) -> None:
    line = closing_line("Wrote", text, [(1, "image")])
    assert acting_characters(line + line.replace("\n", "\x1b")) == set()
