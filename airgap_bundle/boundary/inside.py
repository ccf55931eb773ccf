"""What every command needs that works with what was imported: ledger, audit trail, policy, and registries to open.

`Inside` also writes the audit trail for them: one record before and one after what changes something, one per refusal.
"""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airgap_bundle.boundary.audit.trail import Audit
from airgap_bundle.boundary.destination import Destination
from airgap_bundle.boundary.importing import DEFAULT_JOBS
from airgap_bundle.boundary.ledger.ledger import Ledger
from airgap_bundle.boundary.lifecycle.recall import Recall
from airgap_bundle.boundary.receipts.documents import dump_receipt
from airgap_bundle.boundary.receipts.kept import keep_receipt
from airgap_bundle.boundary.receipts.signing import sign_receipt
from airgap_bundle.boundary.sending.presence import Inquirer
from airgap_bundle.boundary.sending.tagging import TAGS_LEFT
from airgap_bundle.boundary.state import StateDirectory
from airgap_bundle.boundary.verifying import find_policy
from airgap_bundle.core.errors import AirgapError, BundleError, DocumentError, TrustError, UsageError
from airgap_bundle.core.report import Remark, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor
    from pathlib import Path

    from airgap_bundle.boundary.ledger.values import Begun
    from airgap_bundle.boundary.receipts.receipt import Receipt
    from airgap_bundle.core.content import Digest
    from airgap_bundle.core.report import Reporter
    from airgap_bundle.registry.abilities import Registry
    from airgap_bundle.registry.options import ClientOptions
    from airgap_bundle.trust.policy_model import Policy


@dataclass(frozen=True, kw_only=True, slots=True)
class InsideRequest:
    """What the person named. `options` says how a host may be spoken to under a policy.

    With `locks` nobody else works on the product meanwhile; what changes nothing needs none. `receipt_key` is the
    fingerprint of the site's key that signs a new receipt, "" for none.
    """

    command: str
    policy: Path | None
    state: Path | None
    options: Callable[[Policy, str], ClientOptions]
    jobs: int | None = None
    locks: bool = False
    wait_seconds: float = 0
    receipt_key: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Inside:
    """Everything, open."""

    request: InsideRequest
    policy: Policy
    state: StateDirectory
    ledger: Ledger
    audit: Audit
    executor: Executor
    workers: int
    report: Reporter
    stack: ExitStack
    now: Callable[[], dt.datetime] = field(default=lambda: dt.datetime.now(dt.UTC))

    def open(self, destination: Destination) -> Registry:
        """The registry of a destination, open until the command ends; it was reached."""
        registry = destination.open(self.request.options(self.policy, destination.host))
        self.stack.enter_context(closing(registry))
        registry.ping()
        return registry

    def recall(self, registry: Registry) -> Recall:
        """To read back what a registry holds."""
        return Recall(registry=registry, executor=self.executor, workers=self.workers, report=self.report)

    def inquirer(self, registry: Registry) -> Inquirer:
        """To ask a registry what is under many names."""
        return Inquirer(registry=registry, executor=self.executor, workers=self.workers)

    def lock(self, product: str) -> None:
        """Be the only one at work on a product until the command ends."""
        if self.request.locks:
            self.stack.enter_context(
                self.state.lock(
                    product,
                    command=f"airgap-import {self.request.command}",
                    at=self.now(),
                    wait_seconds=self.request.wait_seconds,
                    report=self.report,
                )
            )

    def note(self, what: str, receipt: Receipt, destination: str = "", **details: str) -> None:
        """One record of the audit trail: the command and `what` (begun, finished, stopped)."""
        self.audit.append(
            f"{self.request.command}-{what}",
            at=self.now(),
            product=receipt.product,
            bundle=receipt.bundle_id,
            destination=destination or receipt.destination,
            details={"receipt": receipt.id, **details},
        )

    def keep(self, receipt: Receipt, registry: Registry, prefix: str) -> None:
        """Let the destination have a receipt, signed where a key was named for that."""
        if not keep_receipt(registry, prefix, receipt.product, receipt.id, dump_receipt(receipt)):
            message = f"{receipt.destination} keeps an earlier form of {receipt.id}, as its tags do not move"
            self.report(Remark(severity=Severity.WARNING, message=message))
        if self.request.receipt_key:
            sign_receipt(self.state, registry, prefix, receipt, self.request.receipt_key)

    @contextmanager
    def refusals(self, product: str = "", bundle: Digest | None = None, destination: str = "") -> Iterator[None]:
        """What is refused within is written to the audit trail before it is raised."""
        try:
            yield
        except (TrustError, BundleError, DocumentError) as error:
            details = {"command": self.request.command, "code": error.code, "reason": error.message}
            self.audit.append(
                "refused", at=self.now(), product=product, bundle=bundle, destination=destination, details=details
            )
            raise

    @contextmanager
    def stopping(self, receipt: Receipt, destination: str = "", begun: Begun | None = None) -> Iterator[None]:
        """What ends early within is noted; nothing about noting it may hide why it ended.

        `begun` is what then ended without effect; where tags could not be put back the ledger goes on saying so.
        """
        try:
            yield
        except BaseException as error:
            code = error.code if isinstance(error, AirgapError) else "interrupted"
            try:
                self.note("stopped", receipt, destination, code=code)
                if begun is not None and code != TAGS_LEFT:
                    self.ledger.abandon(begun, at=self.now(), reason=str(error) or type(error).__name__)
            except AirgapError as second:
                self.report(Remark(severity=Severity.WARNING, message=second.message))
            raise

    def begin(self, receipt: Receipt, destination: str = "") -> Begun:
        """Note in the ledger that the command begins to change something."""
        return self.ledger.begin(
            product=receipt.product,
            sequence=receipt.sequence,
            bundle_id=receipt.bundle_id,
            destination=destination or receipt.destination,
            at=self.now(),
            kind=self.request.command,
        )


@contextmanager
def open_inside(request: InsideRequest, report: Reporter) -> Iterator[Inside]:
    """Policy first, as it says which hosts may be asked for tokens; then ledger and workers."""
    policy = find_policy(request.policy, report)
    with ExitStack() as stack:
        state = StateDirectory.open(request.state)
        ledger = stack.enter_context(Ledger.open(state))
        for remark in ledger.remarks:
            report(Remark(severity=Severity.WARNING, message=remark))
        workers = request.jobs or DEFAULT_JOBS
        executor = stack.enter_context(ThreadPoolExecutor(workers, thread_name_prefix="airgap"))
        yield Inside(
            request=request,
            policy=policy,
            state=state,
            ledger=ledger,
            audit=Audit(path=state.audit_path),
            executor=executor,
            workers=workers,
            report=report,
            stack=stack,
        )


def only_destination(ledger: Ledger, product: str, named: str = "") -> str:
    """The destination that is meant: the one named, or the only one that a product was imported to. `UsageError`."""
    known = [destination for name, destination in ledger.places() if name == product]
    if named:
        wanted = str(Destination.parse(named))
        if wanted in known:
            return wanted
        raise UsageError(
            "AB-USAGE-NOT-IMPORTED",
            f"{product} was never imported to {wanted}",
            hint=f"it was imported to: {', '.join(known) or 'nothing'}; airgap-import status shows all",
        )
    if not known:
        products = sorted({name for name, _ in ledger.places()})
        raise UsageError(
            "AB-USAGE-NOT-IMPORTED",
            f"{product} was never imported from here",
            hint=f"known here: {', '.join(products) or 'nothing'}; --state names another state directory",
        )
    if len(known) > 1:
        raise UsageError(
            "AB-USAGE-WHICH-DESTINATION",
            f"{product} was imported to several destinations: {', '.join(known)}",
            hint="say which one is meant with --dest",
        )
    return known[0]


def named_places(ledger: Ledger, product: str = "", dest: str = "") -> tuple[tuple[str, str], ...]:
    """Every (product, destination) that is meant; `UsageError` where nothing was imported under such a name."""
    wanted = str(Destination.parse(dest)) if dest else ""
    found = tuple(one for one in ledger.places() if product in {"", one[0]} and wanted in {"", one[1]})
    if not found and (product or dest):
        known = "; ".join(f"{name} at {where}" for name, where in ledger.places()[:5])
        raise UsageError(
            "AB-USAGE-NOT-IMPORTED",
            f"{product or 'nothing'} was{' never' if product else ''} imported to {wanted or 'anywhere from here'}",
            hint=f"known here: {known or 'nothing'}; --state names another state directory",
        )
    return found
