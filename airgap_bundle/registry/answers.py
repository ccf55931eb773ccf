"""What a registry says when it refuses, and what to do about it.

Pure. The registry's own words are quoted, bounded; whoever prints them escapes them. Distribution specification 1.1,
"Error Codes".
"""

from __future__ import annotations

import email.utils
import re
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from airgap_bundle.core import strictjson
from airgap_bundle.core.errors import InvalidValueError, RegistryError

if TYPE_CHECKING:
    from collections.abc import Iterator

# Enough for any error document seen; more is cut off unread.
MAX_ERROR_BYTES = 64 * 1024
_MAX_ERRORS = 3
_MAX_WORDS_CHARACTERS = 300
_QUOTA = re.compile(r"quota|insufficient.storage|no space", re.IGNORECASE)
_IMMUTABLE = re.compile(r"immutab|TAG_INVALID|already exists and cannot|cannot be overwritten", re.IGNORECASE)
# What nginx says where a client certificate is asked for and none, or a wrong one, comes.
_WANTS_CERTIFICATE = re.compile(r"SSL certificate (?:was sent|error)", re.IGNORECASE)
_TITLE = re.compile(r"<title>(?:[1-5][0-9]{2} )?([^<]{1,300})</title>", re.IGNORECASE)
# What the status says by itself; the last two are nginx's.
_PHRASES = frozenset(status.phrase.lower() for status in HTTPStatus) | {"authorization required", "not allowed"}
_SPEAKS_TLS = re.compile(r"HTTP request (?:was sent )?to (?:an? )?HTTPS", re.IGNORECASE)
_SECONDS = re.compile(r"[0-9]{1,9}")
_MOVED = range(300, 400)
_SERVER_ERRORS = 500
_CODES = {
    401: "AB-REGISTRY-UNAUTHORIZED",
    403: "AB-REGISTRY-FORBIDDEN",
    404: "AB-REGISTRY-NOT-FOUND",
    405: "AB-REGISTRY-UNSUPPORTED",
    413: "AB-REGISTRY-TOO-LARGE",
    429: "AB-REGISTRY-BUSY",
    507: "AB-REGISTRY-QUOTA",
}
_HINTS = {
    "AB-REGISTRY-UNAUTHORIZED": "log in: docker login {host}, podman login {host}, or give a file with --authfile",
    "AB-REGISTRY-FORBIDDEN": "the login is known but may not do this; ask for the right, or log in as somebody else",
    "AB-REGISTRY-NOT-FOUND": "check the name; some registries want a project or repository to be made beforehand",
    "AB-REGISTRY-UNSUPPORTED": "check that the registry allows this; it may be read-only",
    "AB-REGISTRY-TOO-LARGE": "raise the size limit of the registry or of the proxy in front of it",
    "AB-REGISTRY-BUSY": "wait, then run the same command again: it goes on where it was",
    "AB-REGISTRY-QUOTA": "make room or raise the quota, then run the same command again: it goes on where it was",
    "AB-REGISTRY-IMMUTABLE-TAG": "the registry does not let this tag move; allow it there, or use another version",
    "AB-NETWORK-REDIRECT": "the registry may have moved; name the address that it has now",
    "AB-NETWORK-PLAIN-HTTP": "it speaks TLS: leave out --plain-http for {host}; on loopback give --ca-file",
    "AB-NETWORK-TLS": "it asks for a client certificate of its own authority: give --cert-file and --key-file",
    "AB-REGISTRY-FAILED": "look into the registry's log, then run the same command again: it goes on where it was",
    "AB-REGISTRY-REFUSED": "the registry's own words say why; its log may say more",
}


def quote(body: bytes | None, content_type: str) -> str:
    """The registry's own words: codes and messages of its error document, else a line of plain text, else a title."""
    if not body:
        return ""
    if "html" not in content_type and body.lstrip()[:1] == b"{":
        try:
            value = strictjson.parse_object(body, max_bytes=MAX_ERROR_BYTES, floats=True)
        except InvalidValueError:
            return ""
        return _cut("; ".join(_errors(value)))
    if content_type.startswith("text/plain") or not content_type:
        return _cut(body.decode("utf-8", "replace").strip().partition("\n")[0])
    if content_type.startswith("text/html") and (title := _TITLE.search(body[:4096].decode("utf-8", "replace"))):
        import html  # noqa: PLC0415 - its table of names costs a millisecond, and few answers are pages

        # Of a page for people the title is enough, if it says more than the status does.
        words = " ".join(html.unescape(title[1]).split())
        return "" if words.lower() in _PHRASES else _cut(words)
    return ""


def _errors(value: dict[str, object]) -> Iterator[str]:
    errors = value.get("errors")
    if not isinstance(errors, list):
        # What token servers write (RFC 6749), and a few registries.
        errors = [{"code": value.get("error", ""), "message": value.get("error_description") or value.get("details")}]
    for error in errors[:_MAX_ERRORS]:
        if isinstance(error, dict):
            parts = [error.get("code"), error.get("message"), error.get("detail")]
            yield ": ".join(part for part in parts if isinstance(part, str) and part)


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_WORDS_CHARACTERS else f"{text[:_MAX_WORDS_CHARACTERS]} …"


def refusal(task: str, host: str, side: str, status: int, words: str) -> RegistryError:
    """The error for an answer that is not what was hoped for: `task` completes "cannot …"."""
    code = _code(status, words)
    said = f" ({words})" if words else ""
    return RegistryError(
        code,
        f"cannot {task}: {side} {host} answers {status}{said}",
        hint=_HINTS.get(code, "").format(host=host),
    )


def _code(status: int, words: str) -> str:
    if status in _MOVED:
        return "AB-NETWORK-REDIRECT"
    if _SPEAKS_TLS.search(words):
        return "AB-NETWORK-PLAIN-HTTP"
    if _WANTS_CERTIFICATE.search(words):
        return "AB-NETWORK-TLS"
    if _QUOTA.search(words):
        return "AB-REGISTRY-QUOTA"
    if status in {409, 412} or (status in {400, 403} and _IMMUTABLE.search(words)):
        return "AB-REGISTRY-IMMUTABLE-TAG"
    failed = status >= _SERVER_ERRORS
    return _CODES.get(status) or ("AB-REGISTRY-FAILED" if failed else "AB-REGISTRY-REFUSED")


def retry_after(header: str, longest: float) -> float | None:
    """How many seconds `Retry-After` asks for, at most `longest`; `None` where it says nothing that makes sense."""
    if _SECONDS.fullmatch(header):
        return min(float(header), longest)
    try:
        date = email.utils.parsedate_to_datetime(header)
    except (ValueError, IndexError, OverflowError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, min((date - datetime.now(UTC)).total_seconds(), longest))


_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.){1,500})"')


def warnings(headers: tuple[str, ...]) -> Iterator[str]:
    """The texts of `Warning: 299 - "…"` headers (distribution specification, "Warnings"); others are not for people."""
    for header in headers[:5]:
        if match := _WARNING.match(header[:600]):
            yield re.sub(r"\\(.)", r"\1", match[1])
