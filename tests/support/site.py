"""One boundary in a directory: people with keys, a policy, a state directory, a registry, and bundles for it.

The oracle of every refusal is here too: exit status, code, the object's name, an unchanged registry and ledger, and
exactly one refusal more in the audit trail.
"""

from __future__ import annotations

import atexit
import contextlib
import datetime as dt
import functools
import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from support.bundles import Parts, parts_of
from support.content import Corpus
from support.fake_sigstore import FakeSigstore
from support.images import single_image
from support.keys import GnuPgHome, gnupg_home
from support.policies import policy_text, signer_text
from support.trip import Said, run

from airgap_bundle.bundle.signatures import SignatureFile
from airgap_bundle.core.content import Digest
from airgap_bundle.trust import keyless

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

IDENTITY = "https://ci.example/acme/plane/.ci/release.yml@refs/heads/main"
ISSUER = "https://token.ci.example"
PLANE = "plane/backend"
THIRD = "third-party/redis"
# What the policy of a site says besides its signers.
REST = """\
roles:
  root: {signers: [alice, bob], threshold: 2}
  release: {signers: [release-ci, alice], threshold: 1}
  review: {signers: [alice, bob], threshold: 1}
products:
  "*": {require: [release], repositories: ["registry.example/third-party/**"]}
  plane:
    require: [release, review]
    repositories: ["registry.example/plane/**"]
    maxAge: 180d
    overrides: [review]
"""


@dataclass(frozen=True, kw_only=True)
class People:
    """Keys of everybody, and the signing service that the CI job uses."""

    home: GnuPgHome
    alice: str
    bob: str
    mallory: str
    sigstore: FakeSigstore

    def signature(self, who: str, data: bytes) -> SignatureFile:
        """A signature by a person, or by `ci`."""
        if who == "ci":
            bundle = self.sigstore.sign_blob(data, identity=IDENTITY, issuer=ISSUER)
            return SignatureFile(name=keyless.file_name(ISSUER, IDENTITY), data=bundle.encode())
        key = getattr(self, who)
        return SignatureFile(name=f"openpgp-{key}.sig", data=self.home.sign(data, key))

    def signatures(self, who: Iterable[str], data: bytes) -> list[SignatureFile]:
        """One by each."""
        return [self.signature(one, data) for one in who]

    def signers(self, *, until: str = "") -> str:
        """The part `signers` of the policy, without its first line."""
        people = "".join(
            signer_text(name, getattr(self, name), self.home.public_key(getattr(self, name)), until=until)
            for name in ("alice", "bob")
        )
        root = hashlib.sha256(self.sigstore.trusted_root_json().encode()).hexdigest()
        return people + (
            f"  release-ci:\n    keyless:\n      identity: {IDENTITY}\n      issuer: {ISSUER}\n"
            f"      trustedRoot: {{file: trusted_root.json, sha256: {root}}}\n"
        )


@functools.cache
def people() -> People:
    """Made once for all tests of a process; nothing may change them."""
    stack = contextlib.ExitStack()
    home = stack.enter_context(gnupg_home())
    atexit.register(stack.close)
    made = [home.make_key(f"{name} <{name}@example.com>") for name in ("alice", "bob", "mallory")]
    return People(home=home, alice=made[0], bob=made[1], mallory=made[2], sigstore=FakeSigstore())


def now() -> dt.datetime:
    """This moment, as inventories write it."""
    return dt.datetime.now(dt.UTC).replace(microsecond=0)


@dataclass(kw_only=True)
class Site:
    """The boundary. `before` is what the registry and the audit trail held when they were last looked at."""

    path: Path
    who: People = field(default_factory=people)

    @property
    def policy(self) -> Path:
        """What it trusts."""
        return self.path / "policy.yaml"

    @property
    def state(self) -> Path:
        """What it remembers."""
        return self.path / "state"

    @property
    def dest(self) -> str:
        """Its registry."""
        return f"dir:{self.path / 'registry'}"

    def write_policy(
        self, rest: str = REST, *, version: int = 1, head: str = "", name: str = "policy.yaml", until: str = ""
    ) -> Path:
        """A policy of these people, with the trusted root beside it."""
        file = self.path / name
        file.write_bytes(policy_text(self.who.signers(until=until), head + rest, version=version))
        (file.parent / "trusted_root.json").write_text(self.who.sigstore.trusted_root_json())
        return file

    def parts(self, repository: str = PLANE, seed: str = "plane", **statements: Any) -> Parts:
        """The parts of a bundle of one image, made now, by default of the product plane."""
        created = statements.pop("created", now())
        corpus = Corpus(tags={(repository, "1.0"): single_image(seed, size=2000)})
        facts = {"name": "plane", "created": created, "sequence": int(created.timestamp()), **statements}
        return parts_of(corpus, **facts)

    def bundle(self, *signers: str, name: str = "plane.tar", parts: Parts | None = None, **options: Any) -> Path:
        """A bundle that these people have signed."""
        whole = parts or self.parts(**options)
        return whole.signed_by(lambda data: self.who.signatures(signers, data)).write(self.path / name)

    def push(self, bundle: Path, *options: object, state: Path | None = None, policy: Path | None = None) -> Said:
        """Push it, with the site's own policy and state."""
        places = ("--policy", policy or self.policy, "--state", state or self.state)
        return run("airgap-import", "push", bundle, self.dest, *places, *options)

    def pushed(self, bundle: Path, *options: object) -> None:
        """Push it, which has to work."""
        said = self.push(bundle, *options)
        assert said.status == 0, said.err

    def audit(self, state: Path | None = None) -> list[dict[str, Any]]:
        """The records of the audit trail."""
        file = (state or self.state) / "audit.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def snapshot(self) -> dict[str, bytes]:
        """Every file of the registry, but for the mark that makes a directory one."""
        root = self.path / "registry"
        files = (file for file in root.rglob("*") if file.is_file() and file != root / "registry.json")
        return {str(file.relative_to(root)): file.read_bytes() for file in files}

    def refuses(
        self,
        bundle: Path,
        code: str,
        *names: str,
        options: tuple[object, ...] = (),
        state: Path | None = None,
        policy: Path | None = None,
        status: int = 3,
    ) -> Said:
        """Push something that has to be refused, with this code, naming these objects; the whole oracle."""
        before, trail = self.snapshot(), self.audit(state)
        said = self.push(bundle, *options, state=state, policy=policy)
        assert (said.status, code in said.err) == (status, True), said.err
        for name in names:
            assert name in said.text, said.err
        assert self.snapshot() == before
        added = self.audit(state)[len(trail) :]
        assert [(one["event"], one["details"]["code"]) for one in added] == [("refused", code)]
        assert not any(character < " " and character != "\n" for character in said.err + said.out)
        return said


def bundle_id(bundle: Path) -> Digest:
    """The id of a bundle, as a person gets it."""
    said = run("airgap-import", "inspect", bundle, "--format", "json")
    assert said.status == 0, said.err
    return Digest(said.json["bundleId"])
