"""How long `status`, `rollback --dry-run` and `audit verify` take on a ledger of many receipts.

    python tests/benchmarks/ledger_of_many.py [RECEIPTS]

Each receipt has ten items and four records in the audit trail. Half of them are of the product that is looked at.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from support.deliveries import deliveries, make_site
from support.receipts import item, receipt

from airgap_bundle.boundary.audit.record import AuditRecord, dump_record
from airgap_bundle.boundary.ledger.ledger import Ledger
from airgap_bundle.boundary.receipts.receipt import AuditHead
from airgap_bundle.boundary.state import StateDirectory
from airgap_bundle.core.content import Digest

ITEMS = 10
RECORDS = 4


def fill(state: Path, destination: str, count: int) -> None:
    """Write receipts and trail, without waiting for the disk."""
    os.fsync = lambda _descriptor: None  # type: ignore[assignment]  # only here, and only to be quick
    directory = StateDirectory.open(state)
    head = AuditHead(records=0, digest=Digest("sha256:" + "0" * 64))
    with Ledger.open(directory) as ledger, directory.audit_path.open("wb") as trail:
        ledger._database._connection.execute("PRAGMA synchronous=OFF")
        for n in range(1, count + 1):
            one = receipt(n, destination=destination, product="acme" if n % 2 else f"product-{n % 50}")
            for event in ("push-begun", "push-sent", "push-tagging", "push-finished"):
                line = dump_record(
                    AuditRecord(
                        sequence=head.records + 1,
                        previous=head.digest,
                        time=one.finished,
                        event=event,
                        product=one.product,
                        bundle=one.bundle_id,
                        destination=destination,
                        details={"receipt": one.id},
                    )
                )
                trail.write(line)
                head = AuditHead(records=head.records + 1, digest=Digest(f"sha256:{hashlib.sha256(line).hexdigest()}"))
            items = tuple(item(f"image-{k}", f"{n} {k}") for k in range(ITEMS))
            ledger.record(replace(one, items=items, audit=head, created=one.created - timedelta(days=30)))


def main() -> None:
    """Fill, measure, print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as name, contextlib.suppress(KeyboardInterrupt):
        site = make_site(Path(name))
        before = time.monotonic()
        fill(site.state, site.dest, count)
        print(f"{count} receipts in {time.monotonic() - before:.0f} s")
        print(f"ledger {(site.state / 'ledger.sqlite3').stat().st_size >> 20} MiB")
        site.push("acme-1")
        site.push("acme-2")
        deliveries()
        for words in (["status"], ["rollback", "acme", "--dry-run"], ["audit", "verify"], ["drift", "acme"]):
            policy = [] if words[0] in {"status", "audit"} else ["--policy", str(site.policy)]
            code = "from airgap_bundle.cli.boundary import main; main()"
            command = [sys.executable, "-c", code, *words, *policy, "--state", str(site.state), "--format", "json"]
            before = time.monotonic()
            done = subprocess.run(command, capture_output=True, check=False)
            print(f"{' '.join(words):24} {time.monotonic() - before:6.2f} s  status {done.returncode}")


if __name__ == "__main__":
    main()
