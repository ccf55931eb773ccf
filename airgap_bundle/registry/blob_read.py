"""A blob as a stream that survives dropped connections.

What has been handed out is never asked for again: after a drop the rest comes by `Range`, and what the caller has
hashed stays hashed. Nothing here is verified but the length; `core.content.copy_verified` compares the digest.
"""

from __future__ import annotations

import re
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from airgap_bundle.registry.challenges import pull
from airgap_bundle.registry.faults import LineFaultError
from airgap_bundle.registry.session import Call, Retries

if TYPE_CHECKING:
    from types import TracebackType

    from airgap_bundle.core.content import Digest
    from airgap_bundle.registry.session import RegistrySession
    from airgap_bundle.registry.transport import Answer

# A connection that brought at least this much was worth it: the count of attempts starts anew.
_PROGRESS_BYTES = 64 * 1024
# What a registry that ignores `Range` sends again is read into this and thrown away.
_SKIP_BYTES = 256 * 1024
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/(?:([0-9]{1,19})|\*)")
_OK, _PARTIAL, _NO_RANGE = 200, 206, 416


class RemoteBlob:
    """The bytes of one blob from `start` on; opened when made, so that a missing one is noticed at once."""

    def __init__(self, session: RegistrySession, repository: str, digest: Digest, size: int, *, start: int = 0) -> None:
        self._session = session
        self._repository = repository
        self._digest = digest
        self._size = size
        self._task = f"read the blob {digest} of {repository}"
        self._position = start
        self._safe_position = start
        self._retries = Retries(session.options)
        self._answer = self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._answer.close()

    def readinto(self, buffer: memoryview, /) -> int:
        """The next bytes; 0 at the end. More than the promised size is passed on, for the caller to refuse."""
        while True:
            try:
                count = self._answer.readinto(buffer)
            except LineFaultError as fault:
                self._resume(fault)
                continue
            if count == 0 and len(buffer) and self._position < self._size:
                # A body whose length was not given, or that is chunked, and ends too soon.
                self._resume(
                    LineFaultError("AB-NETWORK-DROPPED", f"{self._session.name} ended the blob too soon", retry=True)
                )
                continue
            self._position += count
            return count

    def _resume(self, fault: LineFaultError) -> None:
        """Open it again behind the last byte that was handed out, if that has a point."""
        self._answer.close()
        if self._position - self._safe_position >= _PROGRESS_BYTES:
            self._safe_position = self._position
            self._retries = Retries(self._session.options)
        if not (fault.retry and self._retries.again()):
            raise self._session.fault(self._task, fault) from fault
        self._answer = self._open()

    def _open(self) -> Answer:
        start = self._position
        answer = self._ask(start)
        if answer.status == _NO_RANGE:
            # The range is within the blob: this registry, or a cache in front of it, knows none. It gets to send all.
            answer.close()
            answer = self._ask(0)
        with ExitStack() as stack:
            stack.push(answer)
            self._check(answer, start)
            if answer.status != _PARTIAL and start:
                self._skip(answer, start)
            stack.pop_all()
        return answer

    def _ask(self, start: int) -> Answer:
        return self._session.call(
            Call(
                task=self._task,
                method="GET",
                target=f"/v2/{self._session.prefix}{self._repository}/blobs/{self._digest}",
                repository=self._repository,
                scopes=pull(self._session.prefix + self._repository),
                headers={"Range": f"bytes={start}-"} if start else {},
                expected=frozenset({_OK, _PARTIAL, _NO_RANGE}) if start else frozenset({_OK}),
                follows=True,
                is_blob=True,
            )
        )

    def _check(self, answer: Answer, start: int) -> None:
        """Whether the head of the answer promises what was asked for."""
        reason = ""
        if answer.status == _PARTIAL:
            match = _CONTENT_RANGE.fullmatch(answer.header("Content-Range"))
            if match is None or (int(match[1]), int(match[2])) != (start, self._size - 1):
                reason = f"was asked for the bytes from {start} on and sends others"
        elif answer.length not in {None, self._size}:
            reason = f"says that it has {answer.length} bytes instead of {self._size}"
        if reason:
            raise self._session.wrong(self._task, reason, code="AB-REGISTRY-CONTENT")

    def _skip(self, answer: Answer, count: int) -> None:
        """Throw away what came before already: the registry does not know ranges."""
        scratch = memoryview(bytearray(_SKIP_BYTES))
        while count:
            try:
                skipped = answer.readinto(scratch[: min(len(scratch), count)])
            except LineFaultError:
                return  # the next read fails in the same way, and counts as an attempt
            if skipped == 0:
                return
            count -= skipped
