"""Requests to one registry with everything around them: login, redirects, patience, and errors that say what was asked.

1. The login goes to the registry's own origin and nowhere else.
2. Redirects are followed by hand: for reading to another host only where the options allow it, for writing never.
3. What may have been bad luck is tried again, for every thread not before the host wants to hear of us again.
4. What is left is a `RegistryError` that names task, side, host and the registry's own words.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import InvalidValueError, RegistryError
from airgap_bundle.core.report import Remark, Severity
from airgap_bundle.registry.answers import MAX_ERROR_BYTES, quote, refusal, retry_after, warnings
from airgap_bundle.registry.authentication import Authenticator
from airgap_bundle.registry.connections import Connections
from airgap_bundle.registry.credentials import AuthFiles
from airgap_bundle.registry.faults import LineFaultError
from airgap_bundle.registry.origin import Origin, allows_plain_http, parse_url, registry_origin
from airgap_bundle.registry.transport import Answer, Request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airgap_bundle.registry.challenges import Scopes
    from airgap_bundle.registry.connections import Exchange
    from airgap_bundle.registry.options import ClientOptions

_MAX_REDIRECTS = 5
_MOVED = frozenset({301, 302, 303, 307, 308})
# Those that keep method and body; the others would turn a write into a read.
_MOVED_AS_IT_IS = frozenset({307, 308})
_READING = frozenset({"GET", "HEAD"})
_UNAUTHORIZED = 401
_TOO_MANY = 429
# 500 is what registries answer to a hiccup of their storage.
RETRIED = frozenset({429, 500, 502, 503, 504})
# A token that was refused is renewed once, and once more for a wider scope; then it is the registry that is wrong.
_MAX_RENEWALS = 2
_MAX_WARNINGS = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One thing asked of the registry. `task` completes "cannot …" in errors."""

    task: str
    method: str
    target: str
    repository: str = ""
    scopes: Scopes = frozenset()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    expected: frozenset[int] = frozenset({200})
    follows: bool = False
    """Whether a redirect may be followed."""
    is_blob: bool = False
    limit: int | None = None
    """How many bytes the body may have that is read with the answer; `None` leaves it to the caller."""


class Retries:
    """How often and when to try again; one for each request."""

    def __init__(self, options: ClientOptions) -> None:
        self._options = options
        self._left = options.patience.attempts - 1
        self._pause = options.patience.first_pause_seconds
        self._total = 0.0

    def again(self, asked: float | None = None) -> bool:
        """Pause, then `True`; `False` if it was enough. `asked` is what the host wants, in seconds."""
        pause = self._pause if asked is None else max(asked, self._pause)
        if self._left <= 0 or self._total + pause > self._options.patience.total_pause_seconds:
            return False
        self._left -= 1
        self._total += pause
        self._pause *= 2
        self._options.sleep(pause)
        return True


class RegistrySession:
    """What `RegistryClient` speaks through. `host` is the registry's name; a mirror may stand in for it."""

    def __init__(self, host: str, options: ClientOptions) -> None:
        mirror, _, path = options.mirrors.get(host, "").partition("/")
        self.host = host
        self.name = f"{host} (through {options.mirrors[host]})" if mirror else host
        self.prefix = f"{path}/" if path else ""
        # A pause ends when somebody closes the session: Ctrl-C is not kept waiting by a busy registry.
        self._stopped = threading.Event()
        if options.sleep is time.sleep:
            options = replace(options, sleep=self._stopped.wait)
        self.options = options
        has_certificates = options.ca_file is not None or options.cert_file is not None
        self.origin = registry_origin(mirror or host, options.plain_http, loopback_has_tls=has_certificates)
        self.connections = Connections(self.origin, options)
        self._authenticator = Authenticator(
            name=f"{options.side} {self.name}",
            registry=self.origin,
            login_host=mirror or host,
            login_prefix=self.prefix,
            options=options,
            source=options.credentials or AuthFiles(options.authfile, options.environment, options.reporter),
            send=self._send_elsewhere,
        )
        self._lock = threading.Lock()
        self._warnings: set[str] = set()

    def call(self, call: Call) -> Answer:
        """The answer, with one of the expected statuses; the caller closes it. Raises `RegistryError`."""
        retries = Retries(self.options)
        while True:
            try:
                answer = self._authorised(call)
                if call.limit is not None and answer.status in call.expected and not answer.load(call.limit):
                    raise self.wrong(call.task, f"answers with more than {call.limit} bytes")
            except LineFaultError as fault:
                if fault.retry and retries.again():
                    continue
                raise self.fault(call.task, fault) from fault
            if answer.status in call.expected:
                self._warn(answer)
                return answer
            asked = self.asked_pause(answer)
            if answer.status not in RETRIED or not retries.again(asked):
                raise self.refusal(call.task, answer)
            answer.close()

    def begin(self, call: Call, size: int) -> Exchange:
        """Begin a request whose body is written piece by piece, to the registry itself. Raises `LineFaultError`."""
        request = self._request(call, self.origin, call.target, self.authorization(call), size=size)
        self._wait_for(self.origin)
        return self.connections.begin(request)

    def authorization(self, call: Call) -> str:
        """The header that the registry is expected to want."""
        return self._authenticator.header(call.repository, call.scopes)

    def renew(self, call: Call, answer: Answer, rejected: str) -> bool:
        """After a 401: whether there is another login or token to try."""
        return bool(
            self._authenticator.renew(answer.headers("WWW-Authenticate"), call.repository, call.scopes, rejected)
        )

    def asked_pause(self, answer: Answer) -> float | None:
        """What `Retry-After` asks for, in seconds; from now on every thread keeps to it."""
        asked = retry_after(answer.header("Retry-After"), self.options.patience.longest_pause_seconds)
        if asked is not None and answer.status in RETRIED:
            self.options.pacing.pause(answer.request.origin, self.options.clock() + asked)
        elif answer.status == _TOO_MANY:
            # It does not say how long: nobody of us asks again before the first who was told tries again.
            self.options.pacing.pause(
                answer.request.origin, self.options.clock() + self.options.patience.first_pause_seconds
            )
        return asked

    def refusal(self, task: str, answer: Answer) -> RegistryError:
        """The error for an answer that cannot be used; closes it."""
        try:
            words = quote(answer.read(MAX_ERROR_BYTES), answer.header("Content-Type"))
        except LineFaultError:
            words = ""
        error = refusal(
            task,
            answer.request.origin.authority if self._is_elsewhere(answer) else self.name,
            self.options.side,
            answer.status,
            words,
        )
        if answer.status in {401, 403} and self._authenticator.note:
            error.hint = self._authenticator.note
        return error

    @property
    def has_login(self) -> bool:
        """Whether there is a login for the registry as a whole."""
        return self._authenticator.has_login

    def fault(self, task: str, fault: LineFaultError) -> RegistryError:
        """The error for a line that gives no answer."""
        return RegistryError(fault.code, f"cannot {task}: {self.options.side} {fault.reason}", hint=fault.hint)

    def wrong(self, task: str, reason: str, *, code: str = "AB-REGISTRY-ANSWER", hint: str = "") -> RegistryError:
        """The error for an answer that contradicts the specification or itself; `reason` follows the host's name."""
        return RegistryError(
            code,
            f"cannot {task}: {self.options.side} {self.name} {reason}",
            hint=hint or "the registry, or something in front of it, is at fault; its log may say more",
        )

    def close(self) -> None:
        """Close every connection, and end every pause; nothing is asked any more."""
        self._stopped.set()
        self.connections.close()

    def _authorised(self, call: Call) -> Answer:
        """The answer, after a login if the registry asks for one."""
        header = self.authorization(call)
        answer = self._follow(call, header)
        for _ in range(_MAX_RENEWALS):
            if answer.status != _UNAUTHORIZED or self._is_elsewhere(answer):
                break
            renewed = self._authenticator.renew(
                answer.headers("WWW-Authenticate"), call.repository, call.scopes, header
            )
            if not renewed:
                break
            answer.close()
            header = renewed
            answer = self._follow(call, header)
        return answer

    def _follow(self, call: Call, header: str) -> Answer:
        """Send, and follow redirects as far as the options allow."""
        origin, target = self.origin, call.target
        for _ in range(_MAX_REDIRECTS + 1):
            # The one place where the login is attached: to the registry's own origin, to no other.
            answer = self._send(self._request(call, origin, target, header if origin == self.origin else ""))
            moved = _MOVED if call.method in _READING else _MOVED_AS_IT_IS
            if answer.status not in moved or not call.follows or answer.status in call.expected:
                return answer
            answer.close()
            origin, target = self._next(call, answer)
        raise self.wrong(call.task, f"redirects more than {_MAX_REDIRECTS} times", code="AB-NETWORK-REDIRECT")

    def _next(self, call: Call, answer: Answer) -> tuple[Origin, str]:
        """Where a redirect leads, if it may be followed."""
        request = answer.request
        try:
            origin, target = parse_url(answer.header("Location"), f"{request.origin}{request.target}")
        except InvalidValueError as error:
            raise self.wrong(call.task, f"redirects to {error}", code="AB-NETWORK-REDIRECT") from error
        if origin == self.origin:
            return origin, target
        if call.method not in _READING:
            raise self.wrong(
                call.task,
                f"redirects what is written to another host, {origin.authority}",
                code="AB-NETWORK-REDIRECT",
                hint="if the registry has moved, name the address that it has now",
            )
        if not self.options.follow_redirects_elsewhere:
            raise self.wrong(
                call.task,
                f"redirects to another host, {origin.authority}, which this side does not talk to",
                code="AB-NETWORK-REDIRECT",
                hint="let the registry serve its content itself (distribution: storage.redirect.disable: true)",
            )
        if origin.is_loopback and not self.origin.is_loopback:
            raise self.wrong(call.task, "redirects to this machine itself", code="AB-NETWORK-REDIRECT")
        if origin.scheme == "http" and (
            request.origin.scheme == "https" or not allows_plain_http(origin.host, origin.port, self.options.plain_http)
        ):
            raise self.wrong(call.task, f"redirects to plain HTTP on {origin.authority}", code="AB-NETWORK-REDIRECT")
        return origin, target

    def _request(self, call: Call, origin: Origin, target: str, header: str, *, size: int | None = None) -> Request:
        headers = dict(call.headers)
        if header:
            headers["Authorization"] = header
        return Request(
            method=call.method,
            origin=origin,
            target=target,
            headers=headers,
            body=call.body,
            size=size,
            is_blob=call.is_blob,
        )

    def _send(self, request: Request) -> Answer:
        self._wait_for(request.origin)
        return self.connections.exchange(request)

    def _send_elsewhere(self, request: Request, task: str) -> Answer:
        """Ask a token host, with the same patience."""
        retries = Retries(self.options)
        while True:
            try:
                answer = self._send(request)
            except LineFaultError as fault:
                if fault.retry and retries.again():
                    continue
                raise self.fault(task, fault) from fault
            if answer.status not in RETRIED or not retries.again(self.asked_pause(answer)):
                return answer
            answer.close()

    def _wait_for(self, origin: Origin) -> None:
        """Wait until a host that asked for a pause wants to hear of us again."""
        wait = self.options.pacing.pause_left(origin, self.options.clock())
        if wait > 0:
            self.options.sleep(wait)

    def _is_elsewhere(self, answer: Answer) -> bool:
        return answer.request.origin != self.origin

    def _warn(self, answer: Answer) -> None:
        for text in warnings(answer.headers("Warning")):
            with self._lock:
                is_new = text not in self._warnings and len(self._warnings) < _MAX_WARNINGS
                if is_new:
                    self._warnings.add(text)
            if is_new:
                self.options.reporter(Remark(severity=Severity.WARNING, message=f"{self.name} warns: {text}"))
