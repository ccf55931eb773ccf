"""One GnuPG home for the tests of this directory; every test makes the keys it needs to change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.keys import GnuPgHome, gnupg_home

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def home() -> Iterator[GnuPgHome]:
    with gnupg_home() as made:
        yield made


@pytest.fixture(scope="session")
def alice(home: GnuPgHome) -> str:
    return home.make_key("Alice <alice@example.com>")


@pytest.fixture(scope="session")
def bob(home: GnuPgHome) -> str:
    return home.make_key("Bob <bob@example.com>")
