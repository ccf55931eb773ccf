"""Asks for ranges of one file on one host, and goes on inside a range where the line breaks.

1. Every request names its bytes, and the file that was begun with (`If-Match`, else `If-Unmodified-Since`).
2. Only the host of the address is asked. A redirect on that host is followed; one to another host is refused.
3. The login goes to that host alone, and only when it asks for one.
4. What may have been bad luck is tried again, behind the last byte that arrived.
5. An answer that does not hold exactly these bytes is refused. Nothing here says that they are the right ones: the
   reader of the bundle compares digests.
"""

from __future__ import annotations

import re
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import InvalidValueError, RegistryError
from airgap_bundle.registry.answers import MAX_ERROR_BYTES, quote, retry_after
from airgap_bundle.registry.connections import Connections
from airgap_bundle.registry.faults import LineFaultError
from airgap_bundle.registry.origin import parse_url
from airgap_bundle.registry.session import RETRIED, Retries
from airgap_bundle.registry.transport import Request
from airgap_bundle.transfer.remote import refusals
from airgap_bundle.transfer.remote.pinning import ChangedError, Pinned, check_range, check_same, pin

if TYPE_CHECKING:
    from airgap_bundle.registry.options import ClientOptions
    from airgap_bundle.registry.transport import Answer
    from airgap_bundle.transfer.remote.logins import NetrcLogins
    from airgap_bundle.transfer.remote.places import Place

_MAX_REDIRECTS = 5
_MOVED = frozenset({301, 302, 303, 307, 308})
_FOR_EVER = frozenset({301, 308})
_OK, _PARTIAL, _UNAUTHORIZED, _CHANGED, _NO_RANGE = 200, 206, 401, 412, 416
# A connection that brought at least this much was worth it: the count of attempts starts anew.
_PROGRESS_BYTES = 64 * 1024
# Once the bundle is being read, an outage of two minutes is sat out: a brief link drops now and then. What never
# answered at all is told at once.
_MORE_ATTEMPTS = 2
_EMPTY = re.compile(r"bytes \*/0")
_REGION = re.compile(r"[a-z0-9-]{1,32}")


class RangeClient:
    """One file on one host, by ranges. Safe between threads; each has a connection of its own."""

    def __init__(self, place: Place, options: ClientOptions, logins: NetrcLogins) -> None:
        # A pause ends when somebody closes the client: Ctrl-C is not kept waiting by a busy server.
        self._stopped = threading.Event()
        if options.sleep is time.sleep:
            options = replace(options, sleep=self._stopped.wait)
        self.place = place
        self.options = options
        self.pinned = Pinned(size=0)
        self._logins = logins
        self._login = ""
        self._connections = Connections(place.origin, options)

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.place.name

    @property
    def size(self) -> int:
        """How long it is; known once it was begun."""
        return self.pinned.size

    def begin(self, limit: int) -> bytes:
        """The first bytes of the file, at most `limit`; from now on the length and the file itself are known.

        `RegistryError` where the address cannot be read, or does not know ranges.
        """
        retries = Retries(self.options)
        while True:
            try:
                with self._answer(0, limit, retries) as answer:
                    size = self._whole(answer, limit)
                    if size is None:
                        size = self._checked(answer, 0, limit)
                    self.pinned = pin(answer, size)
                    return self._read(answer, min(size, limit))
            except LineFaultError as fault:
                self.again(fault, retries)

    def open(self, start: int, end: int) -> RangeStream:
        """The bytes from `start` up to `end`, which have to lie in the file."""
        return RangeStream(self, start, end)

    def close(self) -> None:
        """Close every connection, those in use too, and end every pause; nothing is asked any more."""
        self._stopped.set()
        self._connections.close()

    def ask(self, start: int, end: int, retries: Retries) -> Answer:
        """The answer that holds these bytes. Raises `LineFaultError` and `RegistryError`."""
        answer = self._answer(start, end, retries)
        try:
            size = self._checked(answer, start, end)
            if size != self.pinned.size:
                raise refusals.changed(self.place.name, f"it has {size} bytes now instead of {self.pinned.size}")
        except RegistryError:
            answer.close()
            raise
        return answer

    def patient_retries(self) -> Retries:
        """How often and when to try again in the middle of a bundle."""
        patience = self.options.patience
        return Retries(replace(self.options, patience=replace(patience, attempts=_MORE_ATTEMPTS * patience.attempts)))

    def too_short(self) -> LineFaultError:
        """An answer that ends before the bytes that it promised: a broken line, or a server that lies."""
        authority = self.place.origin.authority
        return LineFaultError("AB-NETWORK-DROPPED", f"{authority} ended its answer too soon", retry=True)

    def again(self, fault: LineFaultError, retries: Retries) -> None:
        """Pause before the next try; `RegistryError` where it was the last."""
        if not (fault.retry and retries.again()):
            raise refusals.line(self.place.name, fault) from fault

    def _whole(self, answer: Answer, limit: int) -> int | None:
        """The length, where the answer to the first request is the whole file all the same; else None.

        Some servers answer so where the range is the whole file, and none has a range of an empty one.
        """
        if answer.status == _NO_RANGE and _EMPTY.fullmatch(answer.header("Content-Range")):
            return 0
        if answer.status == _OK and answer.length is not None and answer.length <= limit:
            return answer.length
        return None

    def _checked(self, answer: Answer, start: int, end: int) -> int:
        """The length of the file, where the answer is what it should be."""
        name = self.place.name
        if answer.status == _OK:
            raise refusals.no_ranges(name)
        if answer.status == _CHANGED or (answer.status == _NO_RANGE and self.pinned.size):
            raise refusals.changed(name, "it says that it has another file there")
        if answer.status != _PARTIAL:
            raise self._refused(answer)
        try:
            size = check_range(answer, start, end)
            if self.pinned.size:
                check_same(answer, self.pinned)
        except ChangedError as error:
            raise refusals.changed(name, str(error)) from error
        except InvalidValueError as error:
            raise refusals.wrong_range(name, str(error)) from error
        return size

    def _read(self, answer: Answer, size: int) -> bytes:
        if answer.status == _NO_RANGE:
            return b""
        body = answer.read(size)
        if body is None or len(body) < size:
            raise self.too_short()
        return body

    def _answer(self, start: int, end: int, retries: Retries) -> Answer:
        """An answer that is no reason to try again."""
        while True:
            answer = self._follow(start, end)
            if answer.status not in RETRIED:
                return answer
            asked = retry_after(answer.header("Retry-After"), self.options.patience.longest_pause_seconds)
            if asked is not None:
                self.options.pacing.pause(self.place.origin, self.options.clock() + asked)
            if not retries.again(asked):
                raise self._refused(answer)
            answer.close()

    def _follow(self, start: int, end: int) -> Answer:
        target = self.place.target()
        for _ in range(_MAX_REDIRECTS + 1):
            answer = self._send(start, end, target)
            if answer.status == _UNAUTHORIZED and (login := self._find_login(answer)):
                answer.close()
                self._login = login
                answer = self._send(start, end, target)
            location = answer.header("Location")
            if answer.status not in _MOVED or not location:
                return answer
            answer.close()
            target = self._next(location, target)
            if answer.status in _FOR_EVER:
                self.place.moved(target)
        raise refusals.redirect(self.place.name, f"other places more than {_MAX_REDIRECTS} times")

    def _next(self, location: str, target: str) -> str:
        """Where a redirect leads, on the same host."""
        name, origin = self.place.name, self.place.origin
        try:
            moved, target = parse_url(location, f"{origin}{target}")
        except InvalidValueError as error:
            raise refusals.redirect(name, str(error)) from error
        if moved != origin:
            raise refusals.redirect(name, f"another host, {moved}", elsewhere=True)
        return target

    def _find_login(self, answer: Answer) -> str:
        """The header that answers a request for a login; empty where there is none, or it was refused already."""
        if self._login or not any(value.lower().startswith("basic") for value in answer.headers("WWW-Authenticate")):
            return ""
        login = self._logins.find(self.place.origin)
        return login.basic if login is not None and login.username else ""

    def _send(self, start: int, end: int, target: str) -> Answer:
        headers = {"Range": f"bytes={start}-{end - 1}", **self.pinned.condition}
        if self._login:
            headers["Authorization"] = self._login
        wait = self.options.pacing.pause_left(self.place.origin, self.options.clock())
        if wait > 0:
            self.options.sleep(wait)
        return self._connections.exchange(
            Request(method="GET", origin=self.place.origin, target=target, headers=headers, is_blob=True)
        )

    def _refused(self, answer: Answer) -> RegistryError:
        try:
            body = answer.read(MAX_ERROR_BYTES)
        except LineFaultError:
            body = None
        words = quote(body, answer.header("Content-Type")) or refusals.store_words(body)
        region = answer.header("x-amz-bucket-region")
        hint = self.place.hint(answer.status, region if _REGION.fullmatch(region) else "")
        return refusals.refused(self.place, answer.status, words, hint, was_shown_login=bool(self._login))


class RangeStream:
    """The bytes of one range, from front to end. For one thread."""

    def __init__(self, client: RangeClient, start: int, end: int) -> None:
        self.position = start
        self.end = end
        self._client = client
        self._retries = client.patient_retries()
        self._safe_position = start
        self._answer: Answer | None = None

    def readinto(self, buffer: memoryview, /) -> int:
        """The next bytes, as many as have arrived; 0 at the end of the range. Raises `RegistryError`."""
        window = buffer[: self.end - self.position]
        if not window:
            return 0
        while True:
            try:
                count = self._read(window)
            except LineFaultError as fault:
                self._resume(fault)
                continue
            self.position += count
            if self.position == self.end:
                self.close()
            return count

    def close(self) -> None:
        """Let go of the connection: kept where the range was read to its end, else closed."""
        if self._answer is not None:
            self._answer.close()
            self._answer = None

    def _read(self, window: memoryview) -> int:
        if self._answer is None:
            self._answer = self._client.ask(self.position, self.end, self._retries)
        count = self._answer.readinto(window)
        if count == 0:
            raise self._client.too_short()
        return count

    def _resume(self, fault: LineFaultError) -> None:
        self.close()
        if self.position - self._safe_position >= _PROGRESS_BYTES:
            self._safe_position = self.position
            self._retries = self._client.patient_retries()
        self._client.again(fault, self._retries)
