"""Every code has a page, every page a code; found by scanning the text of the sources."""

import re
from pathlib import Path

import pytest

import airgap_bundle
from airgap_bundle.core.text import printable

PACKAGE = Path(airgap_bundle.__file__).parent
PAGES = sorted((PACKAGE / "pages").glob("*.md"))
_CODE = re.compile(r"""["'](AB-[A-Z0-9]+(?:-[A-Z0-9]+)*|AGM[0-9]{3})["']""")


def used_codes() -> dict[str, str]:
    """Each code that a source file spells, and the file."""
    return {
        code: str(path.relative_to(PACKAGE))
        for path in sorted(PACKAGE.rglob("*.py"))
        for code in _CODE.findall(path.read_text(encoding="utf-8"))
    }


def test_every_code_in_the_source_has_a_page() -> None:
    pages = {page.stem for page in PAGES}
    assert {code: file for code, file in used_codes().items() if code not in pages} == {}


def test_every_page_belongs_to_a_code_in_the_source() -> None:
    assert sorted({page.stem for page in PAGES} - set(used_codes())) == []


def test_codes_are_spelled_in_full_so_that_they_can_be_found() -> None:
    made_up = re.compile(r"""f["']A(?:B-|GM)[^"'\s]*\{""")
    assert [str(path) for path in PACKAGE.rglob("*.py") if made_up.search(path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_its_title_and_says_what_why_and_what_to_do(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    title, *paragraphs = text.strip().split("\n\n")
    assert re.fullmatch(rf"# {page.stem}: \S.*[^.]", title)
    assert len(paragraphs) >= 3
    assert text.endswith("\n")
    assert printable(text, keep="\n") == text
