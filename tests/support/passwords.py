"""Files of users as `htpasswd -B` writes them, with hashes that cost next to nothing."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import bcrypt

if TYPE_CHECKING:
    from pathlib import Path


def hash_of(password: str) -> str:
    """A hash of the cheapest kind that bcrypt has."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode().replace("$2b$", "$2y$")


def write_users(path: Path, **users: str) -> Path:
    """A file of users with these passwords."""
    path.write_text("".join(f"{name}:{hash_of(password)}\n" for name, password in users.items()))
    return path


def basic(name: str, password: str) -> str:
    """The header of a login."""
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()
