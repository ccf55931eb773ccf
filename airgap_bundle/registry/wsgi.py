"""Requests and replies of the embedded registry as values, and the errors that clients are told.

Plain WSGI (PEP 3333), with one wish more: `wsgi.input` has `readinto`, as files have, and ends where the body ends.
Error codes are those of the distribution specification, section "Error Codes".
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from airgap_bundle.core.text import printable
from airgap_bundle.registry.callers import mark_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from io import FileIO
    from typing import Protocol

    from airgap_bundle.core.content import Source

    class StartResponse(Protocol):
        """What a WSGI server hands to its application."""

        def __call__(self, status: str, headers: list[tuple[str, str]], /) -> object:
            """Begin the reply."""
            ...


# A name of 255 bytes and a digest of 135 fit many times; longer is not a question about an image.
_MAX_TARGET_BYTES = 8 * 1024
_MAX_QUERY_FIELDS = 64
# How much of a blob is read at a time where the server cannot send files by itself.
_READ_BYTES = 1024 * 1024
# How much of a small body is read at a time.
_PIECE_BYTES = 256 * 1024


class RefusedError(Exception):
    """A request that is answered with an error of the distribution specification."""

    def __init__(
        self, status: HTTPStatus, code: str, message: str, *, headers: Sequence[tuple[str, str]] = (), caller: str = ""
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = tuple(headers)
        # Who it is that is refused, where that is known.
        self.caller = caller


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One request. Everything in it is the client's word: unverified."""

    method: str
    path: str
    query: Mapping[str, tuple[str, ...]]
    headers: Mapping[str, str]
    body: Source
    length: int | None
    # Where it comes from, and the common name of its certificate, which the handshake has checked.
    peer: str = ""
    certificate: str | None = None
    # Where the server looks for who was asking, once that is known.
    environ: dict[str, Any] = field(default_factory=dict, repr=False)

    def note_caller(self, name: str) -> None:
        """Tell the server who it is, for its log."""
        self.environ["REMOTE_USER"] = name

    @property
    def mark(self) -> str:
        """For whom a share of the server is counted: known once the request was admitted."""
        return mark_of(self.environ.get("REMOTE_USER", ""), self.peer)

    def first(self, name: str) -> str | None:
        """The first value of a query parameter."""
        return self.query.get(name, (None,))[0]

    def header(self, name: str) -> str | None:
        """The value of a header, by its name in lower case."""
        return self.headers.get(name)


def read_request(environ: dict[str, Any]) -> Request:
    """The request that a WSGI server describes. Raises `RefusedError`."""
    path, query = environ["PATH_INFO"], environ.get("QUERY_STRING", "")
    if len(path) + len(query) > _MAX_TARGET_BYTES:
        raise RefusedError(HTTPStatus.REQUEST_URI_TOO_LONG, "UNSUPPORTED", "the address is too long")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_MAX_QUERY_FIELDS, errors="strict")
    except ValueError as error:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "UNSUPPORTED", "the query cannot be read") from error
    fields: dict[str, tuple[str, ...]] = {}
    for name, value in pairs:
        fields[name] = (*fields.get(name, ()), value)
    headers = {key[5:].replace("_", "-").lower(): value for key, value in environ.items() if key.startswith("HTTP_")}
    headers["content-type"] = environ.get("CONTENT_TYPE", "")
    length = environ.get("CONTENT_LENGTH")
    return Request(
        method=environ["REQUEST_METHOD"],
        path=path,
        query=fields,
        headers=headers,
        body=environ["wsgi.input"],
        length=int(length) if length else None,
        peer=environ.get("REMOTE_ADDR", ""),
        certificate=environ.get("SSL_CLIENT_S_DN_CN"),
        environ=environ,
    )


def read_bounded(body: Source, limit: int, *, what: str) -> bytes:
    """A small body as a whole. Raises `RefusedError` (413) beyond `limit` bytes; `what` is its subject."""
    whole = bytearray()
    piece = memoryview(bytearray(min(limit, _PIECE_BYTES) + 1))
    while count := body.readinto(piece):
        whole += piece[:count]
        if len(whole) > limit:
            raise too_large(what, limit)
    return bytes(whole)


def too_large(what: str, limit: int) -> RefusedError:
    """413 for a body that is longer than `limit` bytes."""
    return RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "SIZE_INVALID", f"{what} may have {limit} bytes")


class FileSlice:
    """A part of a file as the body of a reply. The server sends it as it likes best, and closes it."""

    def __init__(self, file: FileIO, offset: int, count: int) -> None:
        self.file = file
        self.offset = offset
        self.count = count

    def __iter__(self) -> Iterator[bytes]:
        """The bytes in pieces, for servers that know no better way."""
        self.file.seek(self.offset)
        left = self.count
        while left and (piece := self.file.read(min(left, _READ_BYTES))):
            left -= len(piece)
            yield piece

    def close(self) -> None:
        """Close the file."""
        self.file.close()


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """One answer."""

    status: HTTPStatus = HTTPStatus.OK
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | FileSlice = field(default=b"")


def json_reply(
    value: object, *, media_type: str = "application/json", headers: Sequence[tuple[str, str]] = ()
) -> Reply:
    """A document as an answer."""
    body = json.dumps(value, separators=(",", ":")).encode()
    return Reply(headers=(("Content-Type", media_type), *headers), body=body)


def refusal(error: RefusedError) -> Reply:
    """What the client is told of an error. Text that it sent comes back escaped."""
    value = {"errors": [{"code": error.code, "message": printable(error.message)}]}
    body = json.dumps(value).encode()
    return Reply(status=error.status, headers=(("Content-Type", "application/json"), *error.headers), body=body)


def send(reply: Reply, start_response: StartResponse, *, head: bool) -> Iterable[bytes]:
    """Hand an answer to the server. With `head` everything is said of the body, and nothing of it sent."""
    headers = [("Docker-Distribution-Api-Version", "registry/2.0"), ("X-Content-Type-Options", "nosniff")]
    headers += reply.headers
    length = reply.body.count if isinstance(reply.body, FileSlice) else len(reply.body)
    if reply.status is not HTTPStatus.NO_CONTENT and not any(name == "Content-Length" for name, _ in headers):
        headers.append(("Content-Length", str(length)))
    start_response(f"{reply.status.value} {reply.status.phrase}", headers)
    if isinstance(reply.body, FileSlice):
        if not head:
            return reply.body
        reply.body.close()
        return ()
    return (reply.body,) if reply.body and not head else ()
