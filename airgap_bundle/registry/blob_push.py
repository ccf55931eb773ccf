"""Uploading a blob: open a session, send the bytes, the last piece of them only when they are right.

The registry never gets a complete body of wrong bytes: `copy_verified` holds the last piece back until our own hash
agrees. A blob of ordinary size goes in one request. A long one goes in chunks, so that a later run can go on inside it
where the registry keeps what it got; so does everything for a registry, or a proxy in front of it, that takes only so
much at once. A registry that knows no chunks gets one request after all. Every failure that may have been bad luck
goes on from what the registry has, or starts again from the front. Distribution specification 1.1, "Pushing Blobs".
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.core.content import ContentMismatchError, copy_verified
from airgap_bundle.registry.answers import MAX_ERROR_BYTES
from airgap_bundle.registry.challenges import pull, push
from airgap_bundle.registry.faults import LineFaultError
from airgap_bundle.registry.session import RETRIED, Call, Retries
from airgap_bundle.registry.upload_body import EarlyAnswerError, UploadBody
from airgap_bundle.registry.upload_sessions import OpenUpload, UploadSessions

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from airgap_bundle.core.content import Digest, Source
    from airgap_bundle.core.errors import RegistryError
    from airgap_bundle.registry.connections import Exchange
    from airgap_bundle.registry.session import RegistrySession
    from airgap_bundle.registry.transport import Answer

_CREATED, _ACCEPTED, _NO_CONTENT = 201, 202, 204
_UNAUTHORIZED, _FORBIDDEN, _TOO_LARGE = 401, 403, 413
# Redirects that keep method and body; followed on the registry itself only.
_MOVED = frozenset({307, 308})
_MAX_REDIRECTS = 5
# The upload session is gone, or stands somewhere else than we think.
_LOST = frozenset({404, 416})
# Registries that cannot mount, or not from there, answer with one of these instead of opening a session. What is wrong
# for good comes again from the upload that follows, with the words that fit.
_NO_MOUNT = frozenset({400, 401, 403, 404, 405, 501})
# What a chunk is answered with by registries that know none, or not more than one.
_NO_CHUNKS = frozenset({400, 404, 405, 415, 416, 501})
# A chunk of a long blob: each costs a round trip, and a kill at most one of them where the registry resumes between
# chunks only.
CHUNK_BYTES = 64 * 1024 * 1024
# What is tried in turn where a body was too large: common limits of proxies, and nginx's default of 1 MiB.
_SMALLER_CHUNKS = (CHUNK_BYTES, 16 * 1024 * 1024, 4 * 1024 * 1024, 1024 * 1024)


class _AgainError(Exception):
    """The upload has to start anew; `error` is what to say if it was tried often enough."""

    def __init__(
        self,
        error: RegistryError,
        pause: float | None = None,
        *,
        adapted: bool = False,
        moved_to: OpenUpload | None = None,
    ) -> None:
        super().__init__(error.message)
        self.error = error
        self.pause = pause
        self.adapted = adapted
        """It will be sent in another way, so that it is no repetition."""
        self.moved_to = moved_to
        """The registry wants it there, and nothing of the request was used."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Blob:
    repository: str
    digest: Digest
    size: int

    @property
    def task(self) -> str:
        return f"upload the blob {self.digest} to {self.repository}"


class BlobPusher:
    """Uploads and mounts for one registry; safe between threads."""

    def __init__(self, session: RegistrySession) -> None:
        self._session = session
        self.sessions = UploadSessions(session)
        # What this registry taught us. Set by whichever thread learns it first; later uploads go by it from the start.
        self.takes_chunks = True
        self._limit_bytes: int | None = None

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
            follows=True,
        )
        with self._session.call(call) as answer:
            if answer.status == _CREATED:
                self.check_digest(call.task, answer, digest)
                return True
            if answer.status == _ACCEPTED:
                self.sessions.keep_opened(repository, digest, call, answer)
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
        blob = _Blob(repository=repository, digest=digest, size=size)
        renewed = redirects = 0
        moved_to: OpenUpload | None = None
        while True:
            attempt = self._attempt(blob, moved, moved_to)
            try:
                return attempt.run(open_source, buffer)
            except _AgainError as again:
                attempt.body.undo()
                error, pause, moved_to = again.error, again.pause, again.moved_to
                redirects += moved_to is not None
                if again.adapted or (moved_to is not None and redirects <= _MAX_REDIRECTS):
                    continue
                if error.code == "AB-REGISTRY-UNAUTHORIZED":
                    renewed += 1
                if renewed > 1 or not retries.again(pause):
                    raise error from again
            # The answer may have been lost after the registry had it all.
            if is_there():
                attempt.body.complete()
                self.sessions.forget(repository, digest)
                return None

    def _attempt(self, blob: _Blob, moved: Callable[[int], None] | None, upload: OpenUpload | None) -> _Attempt:
        if upload is None and self._is_chunked(blob.size, 0):
            upload = self.sessions.find_again(blob.repository, blob.digest, blob.size)
        upload = upload or self.sessions.open(blob.repository, blob.digest)
        chunk_bytes = blob.size
        if self._is_chunked(blob.size, upload.min_chunk_bytes):
            chunk_bytes = max(self._limit_bytes or CHUNK_BYTES, upload.min_chunk_bytes)
        return _Attempt(self, self._session, blob, upload, max(1, chunk_bytes), moved)

    def _is_chunked(self, size: int, least: int) -> bool:
        return self.takes_chunks and size > max(self._limit_bytes or CHUNK_BYTES, least)

    def shrink(self, sent_bytes: int, least: int) -> bool:
        """A body of so many bytes was too large: send smaller ones from now on. False if that is not possible.

        `least` is the smallest chunk that the registry takes.
        """
        if self._limit_bytes is None or self._limit_bytes >= sent_bytes:
            self._limit_bytes = next((chunk for chunk in _SMALLER_CHUNKS if chunk < sent_bytes), self._limit_bytes)
        return self.takes_chunks and self._limit_bytes is not None and max(self._limit_bytes, least) < sent_bytes

    def check_digest(self, task: str, answer: Answer, digest: Digest) -> None:
        """Refuse an answer that names another digest."""
        stated = answer.header("Docker-Content-Digest")
        if stated and stated != digest:
            with suppress(LineFaultError):
                answer.read(MAX_ERROR_BYTES)
            raise self._session.wrong(task, f"says that it stored {stated[:80]}", code="AB-REGISTRY-CONTENT")


class _Attempt:
    """One try at one upload; makes the requests that its body asks for."""

    def __init__(
        self,
        pusher: BlobPusher,
        session: RegistrySession,
        blob: _Blob,
        upload: OpenUpload,
        chunk_bytes: int,
        moved: Callable[[int], None] | None,
    ) -> None:
        self._pusher = pusher
        self._session = session
        self._blob = blob
        self._target = upload.target
        self._is_continued = upload.is_continued
        self._least = upload.min_chunk_bytes
        self._stack = ExitStack()
        self._call: Call | None = None
        self._header = ""
        self._start = self._count = 0
        self.body = UploadBody(blob.size, self, held=upload.offset, chunk_bytes=chunk_bytes, moved=moved)
        if chunk_bytes < blob.size:
            pusher.sessions.remember(blob.repository, blob.digest, upload.target)

    def run(self, open_source: Callable[[], AbstractContextManager[Source]], buffer: memoryview) -> None:
        """Send everything and hear that it is stored. Raises `_AgainError` where another try may help."""
        blob, body, is_early = self._blob, self.body, False
        with self._stack as stack:
            try:
                with open_source() as source:
                    copy_verified(source, body, digest=blob.digest, size=blob.size, buffer=buffer, moved=body.count)
                answer = stack.enter_context(body.finish(self._session.options.patience.answer_seconds))
            except EarlyAnswerError as early:
                answer, is_early = self._early_answer(early), True
            except LineFaultError as fault:
                raise self._again(fault) from fault
            except ContentMismatchError:
                # Whatever the registry has of it is of no use to anybody.
                self._pusher.sessions.forget(blob.repository, blob.digest)
                raise
            if is_early and answer.status in {_CREATED, _ACCEPTED, _NO_CONTENT}:
                raise _AgainError(self._session.wrong(blob.task, "says that it is done before it had everything"))
            if answer.status not in {_CREATED, _NO_CONTENT}:
                raise self._refused(answer)
            self._pusher.check_digest(blob.task, answer, blob.digest)
            self._pusher.sessions.forget(blob.repository, blob.digest)

    def begin(self, start: int, count: int, *, is_last: bool) -> Exchange:
        """Begin a chunk, or the last or only request. Part of `upload_body.Requests`."""
        blob, headers = self._blob, {"Content-Type": "application/octet-stream"}
        target = self._target
        if is_last and "digest=" not in target:
            target += ("&" if "?" in target else "?") + f"digest={blob.digest}"
        if start or not is_last:
            headers["Content-Range"] = f"{start}-{start + count - 1}"
        self._call = Call(
            task=blob.task,
            method="PUT" if is_last else "PATCH",
            target=target,
            repository=blob.repository,
            scopes=push(self._session.prefix + blob.repository),
            headers=headers,
        )
        self._start, self._count = start, count
        self._header = self._session.authorization(self._call)
        exchange = self._session.begin(self._call, count)
        self._stack.callback(exchange.abandon)
        return exchange

    def end_chunk(self, exchange: Exchange) -> None:
        """Hear where the next chunk goes. Part of `upload_body.Requests`."""
        if self._call is None:
            raise RuntimeError("a chunk that was never begun")
        with exchange.finish(self._session.options.patience.answer_seconds) as answer:
            if answer.status not in {_CREATED, _ACCEPTED, _NO_CONTENT}:
                raise self._refused(answer)
            if answer.header("Location"):
                self._target = self._pusher.sessions.location(self._call, answer)
        self._pusher.sessions.remember(self._blob.repository, self._blob.digest, self._target)

    def _early_answer(self, early: EarlyAnswerError) -> Answer:
        try:
            return self._stack.enter_context(self.body.finish())
        except LineFaultError as fault:
            # It hung up without a word, or the word was lost with the connection.
            raise self._again(fault) from early

    def _again(self, fault: LineFaultError) -> Exception:
        error = self._session.fault(self._blob.task, fault)
        return _AgainError(error) if fault.retry else error

    def _refused(self, answer: Answer) -> Exception:
        """What to raise for an answer that is no success; reads and closes it."""
        pause = self._session.asked_pause(answer)
        task, status = self._blob.task, answer.status
        if status in _MOVED and self._call is not None:
            target = self._pusher.sessions.location(self._call, answer)
            there = OpenUpload(target=target, offset=self._start, min_chunk_bytes=self._least)
            return _AgainError(self._session.refusal(task, answer), moved_to=there)
        if status == _UNAUTHORIZED and self._call is not None:
            renewed = self._session.renew(self._call, answer, self._header)
            error = self._session.refusal(task, answer)
            return _AgainError(error) if renewed else error
        error = self._session.refusal(task, answer)
        is_chunk = self._call is not None and self._call.method == "PATCH"
        if status == _TOO_LARGE and self._pusher.shrink(self._count, self._least):
            self._pusher.sessions.forget(self._blob.repository, self._blob.digest)
            return _AgainError(error, adapted=True)
        if self._is_continued and status not in RETRIED | {_FORBIDDEN}:
            # What it had from an earlier run may not have been what we believed: once more from the front.
            self._pusher.sessions.forget(self._blob.repository, self._blob.digest)
            return _AgainError(error)
        if is_chunk and status in _NO_CHUNKS:
            self._pusher.takes_chunks = False
            self._pusher.sessions.forget(self._blob.repository, self._blob.digest)
            return _AgainError(error, adapted=True)
        return _AgainError(error, pause) if status in RETRIED | _LOST else error
