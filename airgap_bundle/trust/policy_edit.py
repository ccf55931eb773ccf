"""Writes revocations into the text of a policy: the successor, ready to be signed, with comments and order kept.

Edits the text at the places that the YAML reader gives, then reads it back and compares, so that what comes out either
says exactly what was meant or is not written. Pure.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING

from airgap_bundle.core.errors import UsageError
from airgap_bundle.manifest import yamltext
from airgap_bundle.trust.policy import MAX_POLICY_BYTES, parse_policy
from airgap_bundle.trust.policy_model import Method, RevokedKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from airgap_bundle.core.content import Digest
    from airgap_bundle.core.report import Place
    from airgap_bundle.trust.policy_model import Policy

_OPENPGP = re.compile(r"[0-9a-fA-F]{40}|[0-9a-fA-F]{64}")
_KEY = "publicKey"


def find_key(policy: Policy, text: str, since: date | None = None) -> tuple[RevokedKey, ...]:
    """What `--key TEXT` revokes: a fingerprint, the SHA-256 of a plain key, an identity, or all keys of a signer.

    A full OpenPGP v4 fingerprint need not be in the policy; anything else has to. `UsageError` where nothing fits.
    """
    digits = text.lower().replace(" ", "") if _OPENPGP.fullmatch(text.replace(" ", "")) else ""
    found: list[tuple[Method, str]] = []
    for signer in policy.signers.values():
        whole = signer.name == text
        found += [
            (Method.OPENPGP, pinned.fingerprint if whole else digits)
            for pinned in signer.openpgp
            if whole or any(key.fingerprint == digits for key in pinned.public_key.keys)
        ]
        found += [(Method.KEY, key.fingerprint) for key in signer.keys if whole or key.fingerprint == digits]
        found += [
            (Method.KEYLESS, f"{who.issuer}\n{who.identity}")
            for who in signer.keyless
            if who.identity and (whole or who.identity == text)
        ]
    for demand in (demand for product in policy.products.values() for demand in product.upstream):
        found += [(Method.KEY, key.fingerprint) for key in demand.keys if key.fingerprint == digits]
        found += [
            (Method.OPENPGP, digits)
            for pinned in demand.openpgp
            if any(key.fingerprint == digits for key in pinned.public_key.keys)
        ]
        found += [(Method.KEYLESS, f"{who.issuer}\n{who.identity}") for who in demand.keyless if who.identity == text]
    if not found and len(digits) == 40:  # noqa: PLR2004 - the length of a version 4 fingerprint
        found = [(Method.OPENPGP, digits)]
    if not found:
        raise UsageError(
            "AB-USAGE-KEY",
            f"the policy has no key, identity or signer {text!r}",
            hint="`airgap-import policy show` lists them; fingerprints are given in full",
        )
    moment = None if since is None else datetime.combine(since, time.min, UTC)
    return tuple(
        RevokedKey(method=method, name=name, since=moment if method is Method.KEYLESS else None)
        for method, name in dict.fromkeys(found)
    )


def revoke(policy: Policy, keys: Sequence[RevokedKey], bundles: Sequence[Digest]) -> bytes:
    """The text of the successor that revokes these too, with the next version.

    `UsageError` where all of them are revoked already, or where the text is written in a way that cannot be added to.
    """
    new_keys = [key for key in keys if key not in policy.revoked_keys]
    new_bundles = [bundle for bundle in dict.fromkeys(bundles) if bundle not in policy.revoked_bundles]
    if not new_keys and not new_bundles:
        raise UsageError("AB-USAGE-KEY", f"the policy {policy.file} has revoked that already", hint="nothing to do")
    lines = [_key_text(key) for key in new_keys]
    ids = [f'"{bundle}"' for bundle in new_bundles]
    raw = _Text(policy).edited(policy.version + 1, lines, ids)
    meant = replace(
        policy,
        version=policy.version + 1,
        revoked_keys=policy.revoked_keys,
        revoked_bundles=policy.revoked_bundles | set(new_bundles),
        raw=raw,
    )
    read = parse_policy(raw, policy.file)
    same = replace(read, revoked_keys=policy.revoked_keys, trusted_roots=policy.trusted_roots) == meant
    if not same or set(read.revoked_keys) != {*policy.revoked_keys, *new_keys}:
        raise UsageError(
            "AB-POLICY-EDIT",
            f"{policy.file} is written in a way that a revocation cannot be added to",
            hint=f"raise `version` and add by hand, below `revoked`: keys {lines}, bundles {ids}",
        )
    return raw


def _key_text(key: RevokedKey) -> str:
    """A flow mapping."""
    if key.method is Method.OPENPGP:
        return f"{{openpgp: {json.dumps(key.name)}}}"
    if key.method is Method.KEY:
        return f"{{{_KEY}: {json.dumps(key.name)}}}"
    issuer, _, identity = key.name.partition("\n")
    since = f", since: {key.since:%Y-%m-%d}" if key.since else ""
    return f"{{keyless: {{identity: {json.dumps(identity)}, issuer: {json.dumps(issuer)}}}{since}}}"


class _Text:
    """The text of a policy, and what is to be inserted into it where."""

    def __init__(self, policy: Policy) -> None:
        self._text = policy.raw.decode("utf-8")
        self._starts = [0, *(match.end() for match in re.finditer(r"\r\n|\n|\r", self._text))]
        node = yamltext.parse(policy.raw, policy.file, max_bytes=MAX_POLICY_BYTES)
        self._entries = node.entries if isinstance(node, yamltext.MappingNode) else {}
        self._edits: list[tuple[int, int, str]] = []

    def edited(self, version: int, keys: list[str], bundles: list[str]) -> bytes:
        """The text with another version, and these among what is revoked."""
        at = self._offset(self._entries["version"].place)
        digits = re.compile(r"[0-9]+").match(self._text, at)
        if digits is not None:
            self._edits.append((at, digits.end(), str(version)))
        lists = {name: items for name, items in (("keys", keys), ("bundles", bundles)) if items}
        revoked = self._entries.get("revoked")
        tail = ""
        if revoked is None:
            tail = "revoked:\n" + "".join(f"  {name}:\n{_block(items, 4)}" for name, items in lists.items())
        elif isinstance(revoked, yamltext.MappingNode):
            self._add(revoked, lists)
        text = self._text
        for start, end, new in sorted(self._edits, reverse=True):
            text = text[:start] + new + text[end:]
        return (text + ("" if text.endswith("\n") or not tail else "\n") + tail).encode()

    def _add(self, revoked: yamltext.MappingNode, lists: Mapping[str, list[str]]) -> None:
        flow, block = [], ""
        for name, items in lists.items():
            present = revoked.entries.get(name)
            if isinstance(present, yamltext.SequenceNode):
                self._insert(present.place, items, _block(items, 0), is_empty=not present.items)
            else:
                flow.append(f"{name}: [{', '.join(items)}]")
                block += f"{name}:\n{_block(items, revoked.place.column + 1)}"
        if flow:
            self._insert(revoked.place, flow, block, is_empty=not revoked.entries)

    def _insert(self, place: Place, flow: Iterable[str], block: str, *, is_empty: bool) -> None:
        """In front of what a list or map holds: behind its bracket, or before its first line."""
        at = self._offset(place)
        if self._text[at] in "[{":
            self._edits.append((at + 1, at + 1, ", ".join(flow) + ("" if is_empty else ", ")))
        else:
            indent = " " * (place.column - 1)
            lines = block.splitlines(keepends=True)
            self._edits.append((at, at, lines[0] + "".join(_indented(line, indent) for line in lines[1:]) + indent))

    def _offset(self, place: Place) -> int:
        return self._starts[place.line - 1] + place.column - 1


def _block(items: Iterable[str], indent: int) -> str:
    return "".join(f"{' ' * indent}- {item}\n" for item in items)


def _indented(line: str, indent: str) -> str:
    """Entries and keys get the indentation of what they stand in; the lines below a new key have theirs already."""
    return line if line.startswith(" ") else indent + line
