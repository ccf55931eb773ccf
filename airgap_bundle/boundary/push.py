"""Brings a bundle into a registry: verify, plan, transfer, publish, receipt. One pass; nothing visible before the end.

The order makes the promises: what a cluster uses changes only in step 8, when everything before it has held.
"""

from __future__ import annotations

import datetime as dt
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from airgap_bundle.boundary.judging.release import check_may_be_tagged
from airgap_bundle.boundary.judging.verify import Verified, judge_upstream, verify_head
from airgap_bundle.boundary.pushed import Prepared, Pushed
from airgap_bundle.boundary.receipts.documents import dump_receipt, receipt_repository
from airgap_bundle.boundary.receipts.kept import keep_receipt, read_receipts
from airgap_bundle.boundary.receipts.making import make_receipt
from airgap_bundle.boundary.receipts.receipt import receipt_id
from airgap_bundle.boundary.receipts.signing import sign_receipt
from airgap_bundle.boundary.sending.attaching import attach_all
from airgap_bundle.boundary.sending.choosing import choose
from airgap_bundle.boundary.sending.preflight import check_writable
from airgap_bundle.boundary.sending.presence import Inquirer, check_presence, plan_push, refresh_tags
from airgap_bundle.boundary.sending.reading_back import open_there
from airgap_bundle.boundary.sending.tagging import TAGS_LEFT, move_tags, moves_to_note
from airgap_bundle.boundary.sending.upload import Uploader
from airgap_bundle.boundary.sending.withdrawing import recorded_anchors, withdraw_anchors
from airgap_bundle.bundle.distant import Distant, expect_blobs, interrupting
from airgap_bundle.core.content import new_buffer
from airgap_bundle.core.errors import AirgapError, BundleError, TrustError
from airgap_bundle.core.report import PhaseFinished, PhaseStarted, Remark, Severity
from airgap_bundle.transfer.plan import join_repository, plan_targets
from airgap_bundle.transfer.reading import pass_by
from airgap_bundle.transfer.scheduler import Cancellation, run_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor
    from contextlib import AbstractContextManager
    from pathlib import Path

    from airgap_bundle.boundary.audit.trail import Audit
    from airgap_bundle.boundary.destination import Destination
    from airgap_bundle.boundary.ledger.ledger import Ledger
    from airgap_bundle.boundary.ledger.values import Begun
    from airgap_bundle.boundary.receipts.receipt import Receipt
    from airgap_bundle.boundary.sending.upload import Sent
    from airgap_bundle.boundary.state import StateDirectory
    from airgap_bundle.core.content import Descriptor, Source
    from airgap_bundle.core.report import Reporter
    from airgap_bundle.registry.abilities import Registry
    from airgap_bundle.transfer.files_out import Staged
    from airgap_bundle.transfer.opening import OpenedBundle
    from airgap_bundle.transfer.paths import PathMap
    from airgap_bundle.transfer.plan import PushPlan
    from airgap_bundle.trust.freshness import History
    from airgap_bundle.trust.overrides import Overrides
    from airgap_bundle.trust.policy_model import Policy


# While the registry opens one upload and ends another, the bytes of a third are on the line.
_BEGUN_FOR_EACH_SENDER = 2


@dataclass(kw_only=True, slots=True)
class Push:
    """One import, with everything it needs. `now` is the clock.

    With `hold` everything comes in but the tags. `only` names the items that come in, where not all do. `receipt_key`
    is the fingerprint of the site's key that signs the receipt, "" for none. With `deep` what the destination has is
    read and hashed, not only asked for.
    """

    bundle: OpenedBundle
    destination: Destination
    registry: Registry
    policy: Policy
    ledger: Ledger
    audit: Audit
    state: StateDirectory
    path_map: PathMap
    executor: Executor
    workers: int
    askers: int
    """How many may wait for answers at once, those included that transfer."""
    report: Reporter
    overrides: Overrides | None = None
    adopt_reason: str = ""
    wait_seconds: float = 0
    files_to: Path | None = None
    hold: bool = False
    only: tuple[str, ...] = ()
    receipt_key: str = ""
    deep: bool = False
    now: Callable[[], dt.datetime] = field(default=lambda: dt.datetime.now(dt.UTC))
    _kept: tuple[Receipt, ...] = ()

    def prepare(self, lock: ExitStack | None = None) -> Prepared:
        """Verify the head, then ask the destination what it has. Changes nothing there.

        A refusal is written to the audit trail before it is raised. With `lock` nobody else imports the product from
        the moment its name is known, so that what the ledger says of it stays true.
        """

        def remember(product: str) -> History:
            if lock is not None:
                lock.enter_context(
                    self.state.lock(
                        product,
                        command="airgap-import push",
                        at=self.now(),
                        wait_seconds=self.wait_seconds,
                        report=self.report,
                    )
                )
            return self._remember(product)

        with self._refusals():
            verified = verify_head(
                self.bundle.medium,
                self.policy,
                self.now(),
                read_beside=self.bundle.read_beside,
                remember=remember,
                knows=self.ledger.knows,
                path_map=self.path_map,
                overrides=self.overrides,
            )
            self._check_hold(verified)
            if lock is None:
                verified = self._read_on(verified)
            return self._plan(verified)

    def _plan(self, verified: Verified) -> Prepared:
        inventory, inquirer = verified.inventory, self._inquirer()
        targets = plan_targets(
            inventory,
            verified.bundle_id,
            verified.reader.load,
            prefix=self.destination.prefix,
            path_map=self.path_map,
        )
        targets, skipped = choose(targets, self.only)
        plan = plan_push(inventory, targets, destination=str(self.destination), inquirer=inquirer)
        if inventory.assumed or self.deep:
            from airgap_bundle.boundary.sending.base import Memory, prove_base  # noqa: PLC0415 - most bundles are whole

            memory = Memory(
                ledger=self.ledger,
                destination=self.destination,
                product=inventory.name,
                may_write=partial(self.policy.may_write, inventory.name),
                in_destination=self._kept,
            )
            plan = prove_base(plan, inventory, memory, inquirer, self.report, deep=self.deep)
        return Prepared(verified=verified, plan=plan, skipped=skipped)

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """A refusal within is noted. What the registry or this machine could not do says nothing about the bundle."""
        try:
            yield
        except (TrustError, BundleError) as error:
            details = {"code": error.code, "reason": error.message}
            self.audit.append("refused", at=self.now(), destination=str(self.destination), details=details)
            raise

    def run(self) -> Pushed:
        """Import the bundle.

        1. Reach the destination.
        2. Verify the head: signatures, policy, freshness; be the only one who imports this product.
        3. Ask what the destination has, and plan; of a delta prove that its base is there. Ask whether the destination
           lets us write what it lacks.
        4. Bind the destination to the policy; note that the import begins (ledger and audit).
        5. Send the missing blobs, hashed on the way; put each complete image under its anchor.
        6. The archive ends where it should. Of a stream the signatures of publishers are judged now, where the policy
           demands them; of a file that was a part of 2. Where they do not hold, the anchors of 5 go away again.
        7. Ask once more that everything is there; attach signatures and other referrers; ask what the tags name now.
           Where files are wanted as files, put them into place, all or none; without the tags they go away again.
        8. Move the tags, all or none; where the images are held, none.
        9. Receipt: ledger, audit, destination.
        """
        # 1.
        self.registry.ping()
        with ExitStack() as lock:
            # 2. and 3.
            prepared = self.prepare(lock)
            receipts = join_repository(self.destination.prefix, receipt_repository(prepared.verified.inventory.name))
            check_writable(prepared.plan, self._inquirer(), receipts=receipts)
            return self._carry_out(prepared)

    def _carry_out(self, prepared: Prepared) -> Pushed:
        started = self.now()
        verified, plan = prepared.verified, prepared.plan
        inventory, destination = verified.inventory, str(self.destination)
        # 4.
        self.ledger.policies.enrol(destination, self.policy, at=started)
        self._note("push-begun", verified, **self._lifted(verified))
        begun = self.ledger.begin(
            product=inventory.name,
            sequence=inventory.sequence,
            bundle_id=verified.bundle_id,
            destination=destination,
            at=started,
        )
        try:
            # 5. and 6.
            sent = self._transfer(prepared)
            prepared = replace(prepared, verified=self._judge_passed(verified, sent))
            # 7.
            check_presence(plan, self._inquirer())
            attach_all(plan, self.registry, executor=self.executor, workers=self.askers)
            plan = refresh_tags(plan, self._inquirer())
            self._note("push-sent", verified, blobs=str(sent.blobs_pushed), bytes=str(sent.bytes_sent))
            with self._files(prepared) as staged:
                # 8.
                tags_moved = 0 if self.hold else self._move_tags(begun, verified, plan)
        except BaseException as error:
            self._stopped(error, verified, begun)
            raise
        # 9.
        self._note(
            "push-finished",
            verified,
            tags=str(tags_moved),
            **({"held": "yes"} if self.hold else {}),
            **({"partial": f"without {len(prepared.skipped)} items"} if prepared.skipped else {}),
            **({"files": str(self.files_to)} if self.files_to else {}),
        )
        receipt = make_receipt(
            prepared.verified,
            plan,
            sent,
            destination=self.destination,
            policy=self.policy,
            path_map=self.path_map,
            audit=self.audit.head(),
            times=(started, self.now()),
            previous=self.ledger.current(inventory.name, destination),
            adopt_reason=self.adopt_reason,
            skipped=prepared.skipped,
            held=self.hold,
        )
        receipt = self.ledger.finish(begun, receipt)
        kept = keep_receipt(self.registry, self.destination.prefix, inventory.name, receipt.id, dump_receipt(receipt))
        if not kept:
            message = (
                f"{destination} keeps the receipt of an earlier run, as its tags do not move; the ledger has this one"
            )
            self.report(Remark(severity=Severity.WARNING, message=message))
        if self.receipt_key:
            sign_receipt(self.state, self.registry, self.destination.prefix, receipt, self.receipt_key)
        files = staged.put if staged is not None else ()
        return Pushed(prepared=prepared, receipt=receipt, sent=sent, tags_moved=tags_moved, files=files, held=self.hold)

    def _move_tags(self, begun: Begun, verified: Verified, plan: PushPlan) -> int:
        moves = moves_to_note(plan.tags, self.destination.prefix)
        self._note("push-tagging", verified, tags=str(len(moves)))
        self.ledger.intend(begun, moves)
        documents = {target.top.descriptor.digest: target.top for target in plan.targets}
        return move_tags(self.registry, plan.tags, documents, executor=self.executor, workers=self.askers)

    def _judge_passed(self, verified: Verified, sent: Sent) -> Verified:
        """Of a stream that has passed: what publishers have signed. What is refused here takes its anchors with it."""
        try:
            return judge_upstream(verified)
        except TrustError:
            kept = (one for one in self._kept if one.bundle_id == verified.bundle_id)
            needed = recorded_anchors((self._earlier(verified), *kept), self.destination.prefix)
            details = withdraw_anchors(self.registry, sent.anchors, needed, self.report)
            self._note("push-withdrawn", verified, **details)
            raise

    def _earlier(self, verified: Verified) -> Receipt | None:
        """The receipt of the very same import, where there was one."""
        product, sequence = verified.inventory.name, verified.inventory.sequence
        return self.ledger.get(receipt_id(product, sequence, verified.bundle_id, str(self.destination)))

    def _read_on(self, verified: Verified) -> Verified:
        """For a look at a stream: read as far as it takes to judge the signatures of publishers, and judge them."""
        reader, buffer = verified.reader, new_buffer()
        for blob in verified.inventory.blobs if verified.upstream.is_demanded else ():
            if not reader.is_waiting:
                break
            if reader.loaded(blob.digest) is None:
                pass_by(reader, blob, buffer)
        return judge_upstream(verified)

    def _check_hold(self, verified: Verified) -> None:
        earlier = self._earlier(verified)
        was_published = earlier is not None and not earlier.held
        check_may_be_tagged(self.policy, verified.inventory.name, hold=self.hold, was_published=was_published)

    @contextmanager
    def _files(self, prepared: Prepared) -> Iterator[Staged | None]:
        """The files of the bundle, put into place; taken away again where the block fails. None: nobody wants them."""
        if self.files_to is None:
            yield None
            return
        from airgap_bundle.transfer.files_out import stage  # noqa: PLC0415 - few want files as files

        reader = prepared.verified.reader

        def open_blob(repository: str, layer: Descriptor) -> AbstractContextManager[Source]:
            # A stream has passed, a link is not used twice, a delta leaves out: all is in the registry by now.
            is_at_hand = reader.medium.seekable and not isinstance(reader.medium, Distant)
            if is_at_hand and layer.digest in reader.layout.extents:
                return reader.open_blob(layer.digest)
            return open_there(self.registry, str(self.destination), repository, layer.digest, layer.size)

        with stage(self.files_to, prepared.plan.targets, open_blob) as staged:
            staged.check()
            staged.publish()
            try:
                yield staged
            except BaseException:
                staged.withdraw()
                raise

    def _remember(self, product: str) -> History:
        """The ledger's memory and that of DEST, for the product that the signed inventory names."""
        kept = self._kept = read_receipts(self.registry, self.destination.prefix, product)
        self.ledger.policies.check(str(self.destination), self.policy, kept)
        history = self.ledger.history(product, str(self.destination), self.policy.revoked_bundles, in_destination=kept)
        return replace(history, is_adopted=True) if self.adopt_reason else history

    def _lifted(self, verified: Verified) -> dict[str, str]:
        """What was set aside for this import, and why, for the audit trail; the receipt has it too."""
        lifted = {used.option.value: f"{used.code}: {used.reason}" for used in verified.decision.overrides}
        return lifted | ({"adopt": self.adopt_reason} if self.adopt_reason else {})

    def _inquirer(self) -> Inquirer:
        return Inquirer(registry=self.registry, executor=self.executor, workers=self.askers)

    def _transfer(self, prepared: Prepared) -> Sent:
        plan, reader = prepared.plan, prepared.verified.reader
        cancellation = Cancellation()
        uploader = Uploader(
            plan=plan,
            reader=reader,
            registry=self.registry,
            report=self.report,
            cancellation=cancellation,
            senders=self.workers,
        )
        # A stream has to pass in any case; of a file nothing is read where nothing is sent.
        is_work = plan.upload_count > 0 or not reader.medium.seekable
        expect_blobs(reader, (move.digest for move in plan.blobs if move.missing and not move.source))

        def abort() -> None:
            self.registry.close()
            interrupting(reader.medium)()

        if is_work:
            self.report(PhaseStarted(title="Sending", total_bytes=plan.upload_bytes, total_items=plan.upload_count))
        begun = min(self.workers * _BEGUN_FOR_EACH_SENDER, self.askers)
        run_all(
            uploader.heavy_jobs(),
            executor=self.executor,
            workers=begun,
            cancellation=cancellation,
            abort=abort,
            light=uploader.light,
            light_workers=self.askers - begun,
        )
        uploader.check_end()
        if is_work:
            self.report(PhaseFinished(title="Sending"))
        return uploader.sent

    def _note(self, event: str, verified: Verified, **details: str) -> None:
        self.audit.append(
            event,
            at=self.now(),
            product=verified.inventory.name,
            bundle=verified.bundle_id,
            destination=str(self.destination),
            details=details,
        )

    def _stopped(self, error: BaseException, verified: Verified, begun: Begun) -> None:
        """An import that ends early is noted too; nothing about noting it may hide why it ended.

        Where tags could not be put back the import stays begun in the ledger, so that `status` goes on saying so.
        """
        code = error.code if isinstance(error, AirgapError) else "interrupted"
        try:
            self._note("push-stopped", verified, code=code)
            if code != TAGS_LEFT:
                self.ledger.abandon(begun, at=self.now(), reason=str(error) or type(error).__name__)
        except AirgapError as second:
            self.report(Remark(severity=Severity.WARNING, message=second.message))
