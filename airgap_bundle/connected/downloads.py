"""Files and chart repositories on the web, fetched with the fences that registries have.

1. HTTPS, or plain HTTP where it is loopback or was allowed; a redirect never leads from TLS to none, nor from elsewhere
   to this machine.
2. A login goes to the host that it is for, when that one asks, and to no other.
3. What may have been bad luck is tried again, from the start. An answer that does not say where it ends is not taken
   for a whole one, unless a digest says so.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from airgap_bundle.core.content import new_buffer
from airgap_bundle.core.errors import InvalidValueError, RegistryError
from airgap_bundle.registry.answers import retry_after
from airgap_bundle.registry.connections import Connections
from airgap_bundle.registry.credentials import AuthFiles
from airgap_bundle.registry.faults import LineFaultError
from airgap_bundle.registry.origin import allows_plain_http, parse_url, registry_origin
from airgap_bundle.registry.session import RETRIED, Retries
from airgap_bundle.registry.transport import Request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airgap_bundle.connected.cache import BlobCache, Draft
    from airgap_bundle.core.content import Digest
    from airgap_bundle.registry.options import ClientOptions
    from airgap_bundle.registry.origin import Origin
    from airgap_bundle.registry.transport import Answer

_MAX_REDIRECTS = 5
_MOVED = frozenset({301, 302, 303, 307, 308})
_OK, _UNAUTHORIZED, _NOT_FOUND, _GONE = 200, 401, 404, 410
# One piece of a download on its way to the disk.
_PIECE_BYTES = 1024 * 1024


class WebClient:
    """Fetches addresses. Safe between threads."""

    def __init__(self, options: ClientOptions) -> None:
        self._options = options
        self._credentials = options.credentials or AuthFiles(options.authfile, options.environment, options.reporter)
        # A client certificate is for a registry; no host of the web is shown it, so no origin is home.
        self._connections = Connections(_nowhere(), options)

    def get(self, url: str, *, limit: int) -> bytes | None:
        """What stands there, at most `limit` bytes; None only for a plain 404 or 410. `RegistryError` otherwise."""
        retries = Retries(self._options)
        while True:
            try:
                with self._open(url) as answer:
                    if answer is None:
                        return None
                    self._check_bounded(url, answer)
                    body = answer.read(limit)
            except LineFaultError as fault:
                if fault.retry and retries.again():
                    continue
                raise self._fault(url, fault) from fault
            if body is None:
                raise _refused(url, f"answers with more than the {limit} bytes that are allowed here")
            return body

    def download(self, url: str, cache: BlobCache, *, limit: int, expected: Digest | None = None) -> Draft:
        """Bring what stands there into the cache; what it turned out to be.

        Raises `RegistryError` where it does not exist, is longer than `limit`, or is not what `expected` names.
        """
        retries = Retries(self._options)
        while True:
            try:
                with self._open(url) as answer:
                    if answer is None:
                        raise RegistryError(
                            "AB-WEB-NOT-FOUND", f"there is nothing at {url}", hint="check the address in a browser"
                        )
                    if expected is None:
                        self._check_bounded(url, answer)
                    return _save(url, answer, cache, limit, expected)
            except LineFaultError as fault:
                if not (fault.retry and retries.again()):
                    raise self._fault(url, fault) from fault

    def close(self) -> None:
        """Close every connection."""
        self._connections.close()

    @contextmanager
    def _open(self, url: str) -> Iterator[Answer | None]:
        """The answer, after redirects and a login; None where nothing is there."""
        retries = Retries(self._options)
        while True:
            answer = self._follow(url)
            with answer:
                if answer.status == _OK:
                    yield answer
                    return
                if answer.status in {_NOT_FOUND, _GONE}:
                    yield None
                    return
                asked = retry_after(answer.header("Retry-After"), self._options.patience.longest_pause_seconds)
                if answer.status not in RETRIED or not retries.again(asked):
                    raise _refused(url, f"answers with status {answer.status}")

    def _follow(self, url: str) -> Answer:
        origin, target = self._start(url)
        is_secure = origin.scheme == "https"
        for _ in range(_MAX_REDIRECTS + 1):
            answer = self._ask(origin, target)
            if answer.status not in _MOVED:
                return answer
            answer.close()
            try:
                moved, target = parse_url(answer.header("Location"), f"{origin}{target}")
            except InvalidValueError as error:
                raise _redirect(url, str(error)) from error
            if moved.is_loopback and not origin.is_loopback:
                raise _redirect(url, "this machine itself")
            if moved.scheme == "http" and (
                is_secure or not allows_plain_http(moved.host, moved.port, self._options.plain_http)
            ):
                raise _redirect(url, f"plain HTTP on {moved.authority}")
            origin, is_secure = moved, moved.scheme == "https"
        raise _redirect(url, f"other places more than {_MAX_REDIRECTS} times")

    def _start(self, url: str) -> tuple[Origin, str]:
        """Where to ask first: the address itself, or the mirror of its host."""
        try:
            origin, target = parse_url(url)
        except InvalidValueError as error:
            raise _refused(url, f"cannot be asked: {error}") from error
        if mirror := self._options.mirrors.get(origin.authority):
            host, slash, path = mirror.partition("/")
            return registry_origin(host, self._options.plain_http), f"{slash}{path}{target}"
        if origin.scheme == "http" and not allows_plain_http(origin.host, origin.port, self._options.plain_http):
            raise RegistryError(
                "AB-NETWORK-PLAIN-HTTP",
                f"{url} would be fetched without TLS",
                hint=f"write https://, or allow it with --plain-http {origin.authority}",
            )
        return origin, target

    def _ask(self, origin: Origin, target: str) -> Answer:
        answer = self._connections.exchange(Request(method="GET", origin=origin, target=target, is_blob=True))
        if answer.status != _UNAUTHORIZED:
            return answer
        login = self._credentials.find(origin.authority)
        wants_basic = any(value.lower().startswith("basic") for value in answer.headers("WWW-Authenticate"))
        if login is None or not login.username or not wants_basic:
            return answer
        answer.close()
        headers = {"Authorization": login.basic}
        return self._connections.exchange(
            Request(method="GET", origin=origin, target=target, headers=headers, is_blob=True)
        )

    def _check_bounded(self, url: str, answer: Answer) -> None:
        if not answer.is_bounded:
            raise _refused(
                url, "does not say how long its answer is, so that a part of it could not be told from the whole"
            )

    def _fault(self, url: str, fault: LineFaultError) -> RegistryError:
        return RegistryError(fault.code, f"cannot fetch {url}: {fault.reason}", hint=fault.hint)


def _save(url: str, answer: Answer, cache: BlobCache, limit: int, expected: Digest | None) -> Draft:
    if (answer.length or 0) > limit:
        raise _refused(url, f"has {answer.length} bytes, more than the {limit} that are allowed here")
    buffer = new_buffer(_PIECE_BYTES)
    with cache.draft() as draft:
        while count := answer.readinto(buffer):
            draft.write(buffer[:count])
            if draft.size > limit:
                raise _refused(url, f"has more than the {limit} bytes that are allowed here")
        if expected is not None and draft.digest != expected:
            raise RegistryError(
                "AB-WEB-CONTENT",
                f"{url} has the digest {draft.digest}, not {expected}",
                hint="what stands there was replaced or damaged; compare with what its publisher announces",
            )
    return draft


def _nowhere() -> Origin:
    return registry_origin("client-certificate.invalid", ())


def _refused(url: str, what: str) -> RegistryError:
    return RegistryError("AB-WEB-REFUSED", f"{url} {what}", hint="check the address, and whether it needs a login")


def _redirect(url: str, where: str) -> RegistryError:
    return RegistryError(
        "AB-NETWORK-REDIRECT", f"{url} redirects to {where}", hint="name the address that it has now, if that is right"
    )


__all__ = ["WebClient"]
