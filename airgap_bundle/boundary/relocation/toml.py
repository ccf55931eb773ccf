"""Text in TOML: quoted so that it stays text, or refused."""

from __future__ import annotations

from airgap_bundle.core.errors import InvalidValueError


def quoted(text: str) -> str:
    """A basic string. What comes here was checked before; anything but printable ASCII is refused all the same."""
    if not text.isascii() or not text.isprintable():
        raise InvalidValueError(f"not a text for TOML: {text[:160]!r}")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
