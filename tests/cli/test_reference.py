"""The reference inside the package is what the code says."""

from pathlib import Path

import pytest
from support.reference import PACKAGE, guides


@pytest.mark.parametrize(("topic", "text"), guides().items())
def test_the_reference_is_what_the_code_says(topic: str, text: str) -> None:
    written = Path(PACKAGE / "guides" / f"{topic}.md").read_text("utf-8")
    assert written == text, "write it anew: tests/support/reference.py"
