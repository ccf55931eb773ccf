"""Places where a registry takes an upload: opened, found again after a kill, and never anywhere but at the registry.

Distribution specification 1.1, "Pushing Blobs". An upload session is a URL that the registry makes up; it expires when
the registry likes.
"""

from __future__ import annotations

import re
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import InvalidValueError, RegistryError
from airgap_bundle.registry.challenges import push
from airgap_bundle.registry.origin import DEFAULT_PORTS, parse_url
from airgap_bundle.registry.session import Call

if TYPE_CHECKING:
    from airgap_bundle.core.content import Digest
    from airgap_bundle.registry.session import RegistrySession
    from airgap_bundle.registry.transport import Answer

# A refused mount opens a session; they are kept for the upload that follows, up to a number that costs nothing.
_MAX_SESSIONS = 10_000
# Far above what registries make up (state tokens of a few hundred characters); what is longer is not kept.
_MAX_TARGET_CHARACTERS = 4096
_ACCEPTED, _NO_CONTENT = 202, 204
_FOUND = frozenset({200, 202, 204})
# What a registry says of a session that it has ended, or of the question itself.
_NOT_FOUND = frozenset({400, 403, 404, 405, 410, 416, 501})
# The registry has not noticed yet that whoever wrote there is gone. It is asked again this often.
_BUSY = 409
# Whatever is said to a cancellation, nothing depends on it.
_ANY = frozenset(range(200, 600)) - {401}
_BUSY_ATTEMPTS = 4
_RANGE = re.compile(r"(?:bytes=)?0-([0-9]{1,19})")
_TARGET = re.compile(r"/[!-~]*")
_COUNT = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenUpload:
    """A session: where the next bytes go, how many the registry has, and the least that it takes at once."""

    target: str
    offset: int = 0
    min_chunk_bytes: int = 0

    @property
    def is_continued(self) -> bool:
        """Whether the registry has bytes that this process did not send in this attempt."""
        return self.offset > 0


class UploadSessions:
    """The upload sessions of one registry; safe between threads."""

    def __init__(self, session: RegistrySession) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._opened: dict[tuple[str, Digest], OpenUpload] = {}

    def keep_opened(self, repository: str, digest: Digest, call: Call, answer: Answer) -> None:
        """Keep a session that was opened before it is needed."""
        opened = self._described(call, answer)
        with self._lock:
            if len(self._opened) < _MAX_SESSIONS:
                self._opened[repository, digest] = opened

    def prepare(self, repository: str, digest: Digest) -> None:
        """Open a session now, so that a lack of permission shows at once; the upload that follows uses it."""
        opened = self._begin(repository, digest)
        with self._lock:
            self._opened[repository, digest] = opened

    def cancel(self, repository: str, digest: Digest) -> None:
        """End a session that was prepared and not used. Registries that cannot do that forget it after some time."""
        with self._lock:
            opened = self._opened.pop((repository, digest), None)
        if opened is None:
            return
        call = Call(
            task=f"cancel the upload of the blob {digest} to {repository}",
            method="DELETE",
            target=opened.target,
            repository=repository,
            scopes=push(self._session.prefix + repository),
            expected=_ANY,
        )
        with suppress(RegistryError), self._session.call(call):
            pass

    def open(self, repository: str, digest: Digest) -> OpenUpload:
        """The session that was opened for this blob, or a new one."""
        with self._lock:
            opened = self._opened.pop((repository, digest), None)
        return opened or self._begin(repository, digest)

    def remember(self, repository: str, digest: Digest, target: str) -> None:
        """An upload is under way there; a later run may go on with it."""
        memory = self._session.options.uploads
        if memory is not None and len(target) <= _MAX_TARGET_CHARACTERS:
            memory.keep(self._name(repository, digest), target)

    def forget(self, repository: str, digest: Digest) -> None:
        """The upload is over."""
        memory = self._session.options.uploads
        if memory is not None:
            memory.forget(self._name(repository, digest))

    def find_again(self, repository: str, digest: Digest, size: int) -> OpenUpload | None:
        """The unfinished upload of an earlier run or attempt, if the registry still has it. It is asked for once."""
        memory = self._session.options.uploads
        target = memory.recall(self._name(repository, digest)) if memory is not None else None
        if target is None:
            return None
        self.forget(repository, digest)
        if len(target) > _MAX_TARGET_CHARACTERS or _TARGET.fullmatch(target) is None:
            return None
        call = Call(
            task=f"find the unfinished upload of the blob {digest} to {repository}",
            method="GET",
            target=target,
            repository=repository,
            scopes=push(self._session.prefix + repository),
            expected=_FOUND | _NOT_FOUND | {_BUSY},
        )
        for _ in range(_BUSY_ATTEMPTS):
            found, is_busy = self._ask(call, size)
            if not is_busy:
                return found
            self._session.options.sleep(self._session.options.patience.first_pause_seconds)
        return None

    def _ask(self, call: Call, size: int) -> tuple[OpenUpload | None, bool]:
        """How far an upload has come, and whether somebody else is still writing there."""
        with self._session.call(call) as answer:
            match = _RANGE.fullmatch(answer.header("Range")) if answer.status in _FOUND else None
            # Nothing and one byte look the same: both are "0-0". Then it is not worth going on.
            if match is None or not 0 < int(match[1]) < size:
                return None, answer.status == _BUSY
            target = self.location(call, answer) if answer.header("Location") else call.target
            return OpenUpload(target=target, offset=int(match[1]) + 1), False

    def location(self, call: Call, answer: Answer) -> str:
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

    def _begin(self, repository: str, digest: Digest) -> OpenUpload:
        name = self._session.prefix + repository
        call = Call(
            task=f"begin the upload of the blob {digest} to {repository}",
            method="POST",
            target=f"/v2/{name}/blobs/uploads/",
            repository=repository,
            scopes=push(name),
            expected=frozenset({_ACCEPTED}),
            follows=True,
        )
        with self._session.call(call) as answer:
            return self._described(call, answer)

    def _described(self, call: Call, answer: Answer) -> OpenUpload:
        least = answer.header("OCI-Chunk-Min-Length")
        return OpenUpload(
            target=self.location(call, answer), min_chunk_bytes=int(least) if _COUNT.fullmatch(least) else 0
        )

    def _name(self, repository: str, digest: Digest) -> str:
        return f"{self._session.host}/{self._session.prefix}{repository}@{digest}"
