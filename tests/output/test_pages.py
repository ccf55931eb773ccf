"""Pages of ours on a terminal."""

from __future__ import annotations

import textwrap

from airgap_bundle.output.pages import page_for_terminal

PAGE = """\
# topic: A title that is longer than the terminal is wide and stays in one line all the same

A paragraph that is longer
than a line: it is filled again.
- an item that goes on and on beyond the width of the terminal that is here
  and has a second line
- a short one
1. first

| name | what |
|---|---|
| `--option VALUE` | a sentence that is much too long for one line \\| of it |

```sh
airgap-import push a-bundle-with-a-long-name.tar registry.internal:5000/mirror

  indented after a blank line, which no one may fill
```
"""


def test_text_is_filled_and_code_is_left_alone() -> None:
    lines = page_for_terminal(PAGE, 40).splitlines()
    assert lines[2:9] == [
        "A paragraph that is longer than a line:",
        "it is filled again.",
        "- an item that goes on and on beyond the",
        "  width of the terminal that is here and",
        "  has a second line",
        "- a short one",
        "1. first",
    ]
    assert "\n".join(lines[-5:]) == PAGE[PAGE.index("```sh") :].rstrip()


def test_tables_are_aligned_and_lose_no_word() -> None:
    table = page_for_terminal(PAGE, 40).splitlines()[10:-6]
    assert table[0].split() == ["NAME", "WHAT"]
    assert max(map(len, table)) <= 40
    assert " ".join(" ".join(line[len("`--option VALUE`  ") :] for line in table[1:]).split()) == (
        "a sentence that is much too long for one line | of it"
    )


def test_a_header_without_words_is_left_out() -> None:
    assert page_for_terminal("| | |\n|---|---|\n| a | b |", 80) == "a  b"


def test_comments_for_editors_are_not_shown() -> None:
    assert page_for_terminal("a\n\n<!-- here -->\n| b | c |\n", 80) == "a\n\nB  C"


def test_nobody_has_to_read_very_long_lines() -> None:
    text = "word " * 100
    assert page_for_terminal(text, 300).splitlines() == textwrap.wrap(text, 90)
