"""Text made to act on whoever shows it, and the check that none of it can."""

import re
import unicodedata

HOSTILE = (
    "plain\x1b[2Jcleared",
    "\x1b]0;title\x07",
    "\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "\x1b]52;c;ZXZpbA==\x07",
    "c1\x9b31mred\x85next",
    "line\nerror: forged",
    "return\rerror: forged",
    "\u202egnp.exe\u2066\u200b\u2028\u2029\ufeff",
    "[link=https://evil.example]name[/link] img[/foo]",
    "sha256:abc:x: :smile:",
    "%s %(name)s {0} -rf",
    "tab\there\x00nul\x7f",
    "not utf-8 \udcff",
    "x" * 10_000,
    "日本語" * 50,
    "e" + "\u0301" * 300,
)
_SGR = re.compile(r"\x1b\[[0-9;]*m")
_ACTING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def acting_characters(text: str, *, colour: bool = False) -> set[str]:
    """The characters of shown text that could act instead of being read; our own line feeds and colours may."""
    plain = _SGR.sub("", text) if colour else text
    return {char for char in plain if char != "\n" and unicodedata.category(char) in _ACTING}
