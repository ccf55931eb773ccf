"""Uploading a blob: open a session, send the bytes in one request, the last piece of them only when they are right.

The registry never gets a complete body of wrong bytes: `copy_verified` holds the last piece back until our own hash
agrees. Every failure that may have been bad luck starts again from the front of the source. Distribution specification
1.1, "POST then PUT". Chunks are for registries that refuse this; they would be a second way to send in `_send`.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from airgap_bundle.core.content import copy_verified
from airgap_bundle.core.errors import InvalidValueError
from airgap_bundle.registry.answers import MAX_ERROR_BYTES
from airgap_bundle.registry.challenges import pull, push
from airgap_bundle.registry.faults import LineFaultError
from airgap_bundle.registry.origin import DEFAULT_PORTS, parse_url
from airgap_bundle.registry.session import RETRIED, Call, Retries

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from airgap_bundle.core.content import Digest, Source
    from airgap_bundle.core.errors import RegistryError
    from airgap_bundle.registry.connections import Exchange
    from airgap_bundle.registry.session import RegistrySession
    from airgap_bundle.registry.transport import Answer

_CREATED, _ACCEPTED, _NO_CONTENT = 201, 202, 204
_UNAUTHORIZED = 401
# The upload session is gone, or stands somewhere else than we think.
_LOST = frozenset({404, 416})
# Registries that cannot mount, or not from there, answer with one of these instead of opening a session. What is wrong
# for good comes again from the upload that follows, with the words that fit.
_NO_MOUNT = frozenset({400, 401, 403, 404, 405, 501})
# A refused mount opens a session; they are kept for the upload that follows, up to a number that costs nothing.
_MAX_SESSIONS = 10_000


class _AgainError(Exception):
    """The upload has to start anew; `error` is what to say if it was tried often enough."""

    def __init__(self, error: RegistryError, pause: float | None = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.pause = pause


class _EarlyAnswerError(Exception):
    """The registry answers before it has everything."""


class BlobPusher:
    """Uploads and mounts for one registry; safe between threads."""

    def __init__(self, session: RegistrySession) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._opened: dict[tuple[str, Digest], str] = {}

    def mount(self, repository: str, digest: Digest, source: str) -> bool:
        """Ask for the blob of another repository; `False` if it has to be uploaded."""
        prefix = self._session.prefix
        call = Call(
            task=f"mount the blob {digest} from {source} in {repository}",
            method="POST",
            target=f"/v2/{prefix}{repository}/blobs/uploads/?mount={digest}&from={prefix}{source}",
            repository=repository,
            scopes=push(prefix + repository) | pull(prefix + source),
            expected=frozenset({_CREATED, _ACCEPTED}) | _NO_MOUNT,
        )
        with self._session.call(call) as answer:
            if answer.status == _CREATED:
                self._check_digest(call.task, answer, digest)
                return True
            if answer.status == _ACCEPTED:
                location = self._location(call, answer)
                with self._lock:
                    if len(self._opened) < _MAX_SESSIONS:
                        self._opened[repository, digest] = location
            return False

    def push(
        self,
        repository: str,
        digest: Digest,
        size: int,
        open_source: Callable[[], AbstractContextManager[Source]],
        *,
        buffer: memoryview,
        moved: Callable[[int], None] | None,
        is_there: Callable[[], bool],
    ) -> None:
        """Upload; see `abilities.Registry.push_blob`. `is_there` is asked before the bytes are sent once more."""
        retries = Retries(self._session.options)
        renewed = 0
        while True:
            upload = _Upload(size, moved)
            try:
                return self._try(repository, digest, upload, open_source, buffer)
            except _AgainError as again:
                upload.undo()
                error, pause = again.error, again.pause
                if error.code == "AB-REGISTRY-UNAUTHORIZED":
                    renewed += 1
                if renewed > 1 or not retries.again(pause):
                    raise error from again
            # The answer may have been lost after the registry had it all.
            if is_there():
                upload.complete()
                return None

    def _try(
        self,
        repository: str,
        digest: Digest,
        upload: _Upload,
        open_source: Callable[[], AbstractContextManager[Source]],
        buffer: memoryview,
    ) -> None:
        location = self._open(repository, digest)
        name = self._session.prefix + repository
        call = Call(
            task=f"upload the blob {digest} to {repository}",
            method="PUT",
            target=location + ("&" if "?" in location else "?") + f"digest={digest}",
            repository=repository,
            scopes=push(name),
            headers={"Content-Type": "application/octet-stream"},
        )
        header = self._session.authorization(call)
        is_early = False
        with ExitStack() as stack:
            upload.start = lambda: self._begin(call, upload.size, stack)
            try:
                with open_source() as source:
                    copy_verified(source, upload, digest=digest, size=upload.size, buffer=buffer, moved=upload.count)
                answer = stack.enter_context(upload.exchange().finish(self._session.options.patience.answer_seconds))
            except _EarlyAnswerError as early:
                answer, is_early = self._early_answer(call, upload, stack, early), True
            except LineFaultError as fault:
                raise self._again(call.task, fault) from fault
            if is_early and answer.status in {_CREATED, _NO_CONTENT}:
                raise _AgainError(self._session.wrong(call.task, "says that it is done before it had everything"))
            self._judge(call, answer, digest, header)

    def _begin(self, call: Call, size: int, stack: ExitStack) -> Exchange:
        exchange = self._session.begin(call, size)
        stack.callback(exchange.abandon)
        return exchange

    def _early_answer(self, call: Call, upload: _Upload, stack: ExitStack, early: _EarlyAnswerError) -> Answer:
        try:
            return stack.enter_context(upload.exchange().finish())
        except LineFaultError as fault:
            # It hung up without a word, or the word was lost with the connection.
            raise self._again(call.task, fault) from early

    def _again(self, task: str, fault: LineFaultError) -> Exception:
        error = self._session.fault(task, fault)
        return _AgainError(error) if fault.retry else error

    def _judge(self, call: Call, answer: Answer, digest: Digest, header: str) -> None:
        if answer.status in {_CREATED, _NO_CONTENT}:
            self._check_digest(call.task, answer, digest)
            return
        pause = self._session.asked_pause(answer)
        if answer.status == _UNAUTHORIZED:
            renewed = self._session.renew(call, answer, header)
            error = self._session.refusal(call.task, answer)
            raise _AgainError(error) if renewed else error
        error = self._session.refusal(call.task, answer)
        raise _AgainError(error, pause) if answer.status in RETRIED | _LOST else error

    def _open(self, repository: str, digest: Digest) -> str:
        """Where to send the bytes: the session of a refused mount, or a new one."""
        with self._lock:
            location = self._opened.pop((repository, digest), "")
        if location:
            return location
        name = self._session.prefix + repository
        call = Call(
            task=f"begin the upload of the blob {digest} to {repository}",
            method="POST",
            target=f"/v2/{name}/blobs/uploads/",
            repository=repository,
            scopes=push(name),
            expected=frozenset({_ACCEPTED}),
        )
        with self._session.call(call) as answer:
            return self._location(call, answer)

    def _location(self, call: Call, answer: Answer) -> str:
        """The path of an upload session; only ever one on the registry's own origin."""
        home = self._session.origin
        text = answer.header("Location")
        if not text:
            raise self._session.wrong(call.task, "opens an upload without saying where")
        try:
            origin, target = parse_url(text, f"{home}{call.target}")
        except InvalidValueError as error:
            raise self._session.wrong(call.task, f"names a place for the upload that is {error}") from error
        # A registry behind a proxy that ends TLS often believes that it is spoken to in plain HTTP. Only the path is
        # taken from it: the bytes go where we asked, over TLS.
        is_ours = origin == home or (
            origin.scheme == "http"
            and home.scheme == "https"
            and origin.host == home.host
            and origin.port in {home.port, DEFAULT_PORTS["http"]}
        )
        if not is_ours:
            raise self._session.wrong(
                call.task,
                f"wants the upload sent to another host, {origin.authority}",
                code="AB-REGISTRY-LOCATION",
                hint="if that is the same registry, set its public address in its configuration (http.host) or let "
                "the proxy in front of it pass Host and X-Forwarded-Proto on",
            )
        return target

    def _check_digest(self, task: str, answer: Answer, digest: Digest) -> None:
        stated = answer.header("Docker-Content-Digest")
        if stated and stated != digest:
            with suppress(LineFaultError):
                answer.read(MAX_ERROR_BYTES)
            raise self._session.wrong(task, f"says that it stored {stated[:80]}", code="AB-REGISTRY-CONTENT")


class _Upload:
    """The sink of one attempt. The request begins with the first piece, so that wrong small content sends nothing."""

    def __init__(self, size: int, moved: Callable[[int], None] | None) -> None:
        self.size = size
        self.start: Callable[[], Exchange] | None = None
        self._exchange: Exchange | None = None
        self._moved = moved
        self._counted = 0

    def exchange(self) -> Exchange:
        """The request that is under way."""
        if self._exchange is None:
            if self.start is None:
                raise RuntimeError("an upload without a way to begin")
            self._exchange = self.start()
        return self._exchange

    def write(self, data: memoryview, /) -> None:
        """Send a piece."""
        if not self.exchange().write(data):
            raise _EarlyAnswerError

    def count(self, count: int) -> None:
        """Tell that bytes are through."""
        self._counted += count
        if self._moved is not None and count:
            self._moved(count)

    def undo(self) -> None:
        """Tell that all of it has to be done again."""
        self.count(-self._counted)

    def complete(self) -> None:
        """Tell that all of it is there after all."""
        self.count(self.size - self._counted)
