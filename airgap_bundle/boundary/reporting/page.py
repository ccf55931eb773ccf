"""The page at `/` of the embedded registry: the same as `report -o` writes, of the state directory beside it.

It shows names of everything, so it is for whoever may list everything. A request costs nothing but its bytes: the page
is made anew only when it has grown old, by one thread, and never takes more than a twentieth of one processor. Where
there is no state directory, or it cannot be read, the page says what the served directory holds, and why not more;
reasons are given as codes, since no answer carries a path of this machine.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from airgap_bundle.boundary.reporting import collect, making, stored
from airgap_bundle.boundary.state import StateDirectory, default_path
from airgap_bundle.core.errors import AirgapError
from airgap_bundle.core.report import silent
from airgap_bundle.registry.admission import Page
from airgap_bundle.registry.wsgi import Reply

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from airgap_bundle.core.inside_report import InsideReport, Store
    from airgap_bundle.registry.directory import RegistryDirectory
    from airgap_bundle.registry.wsgi import Request
    from airgap_bundle.trust.policy_model import Policy

_LOGGER = logging.getLogger(__name__)
PATH = "/"
# Who has just imported something and looks need not wait longer than this.
_FRESH_SECONDS = 5.0
# A page that takes a second to make is kept for twenty.
_SHARE = 20
_HEADERS = (
    ("Content-Type", "text/html; charset=utf-8"),
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
    # What is refused and who has a login is for those who asked.
    ("Cache-Control", "no-store"),
)


class ReportPage:
    """Answers with the page. Safe for many threads.

    `storage` is the directory that is served, once the server is there; `state` and `policy` as commands take them.
    `render` makes the document; `now` is the clock and `elapsed` counts seconds.
    """

    def __init__(
        self,
        storage: Callable[[], RegistryDirectory],
        *,
        state: Path | None,
        policy: Path | None,
        render: Callable[[InsideReport], str],
        now: Callable[[], datetime],
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._storage = storage
        self._state = state
        self._policy = policy
        self._render = render
        self._now = now
        self._elapsed = elapsed
        self._lock = threading.Lock()
        self._body = b""
        self._good_until = 0.0

    @property
    def pages(self) -> dict[str, Page]:
        """The route, which asks for the right to list everything."""
        return {PATH: Page(answer=self.answer)}

    def answer(self, request: Request) -> Reply:  # noqa: ARG002 - the shape of a page
        """The page, at most some seconds old. Only who comes before there is one waits for it."""
        body = self._body
        if (not body or self._elapsed() >= self._good_until) and self._lock.acquire(blocking=not body):
            try:
                if not self._body or self._elapsed() >= self._good_until:
                    self._make()
                body = self._body
            finally:
                self._lock.release()
        return Reply(headers=_HEADERS, body=body)

    def _make(self) -> None:
        began = self._elapsed()
        self._body = self._render(self._collect()).encode()
        ended = self._elapsed()
        self._good_until = ended + max(_FRESH_SECONDS, _SHARE * (ended - began))

    def _collect(self) -> InsideReport:
        now, store = self._now(), stored.look_into(self._storage())
        path = self._state or default_path()
        if not (path / "ledger.sqlite3").is_file():
            return collect.collect_store(now, store)
        policy, problems = self._known_policy()
        try:
            return collect.collect(StateDirectory.open(path), policy, now, store=store, problems=problems)
        except AirgapError as error:
            _LOGGER.warning("%s", error)
            return self._without_state(now, store, error)

    def _known_policy(self) -> tuple[Policy | None, tuple[str, ...]]:
        try:
            return making.known_policy(self._policy, silent), ()
        except AirgapError as error:
            _LOGGER.warning("%s", error)
            return None, (f"the policy cannot be used ({error.code}), so nothing is said about signers",)

    @staticmethod
    def _without_state(now: datetime, store: Store, error: AirgapError) -> InsideReport:
        problem = f"what was imported cannot be shown: the state directory cannot be used ({error.code})"
        return collect.collect_store(now, store, (problem,))
