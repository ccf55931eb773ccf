"""Policies as text, made from real keys."""

from __future__ import annotations

import textwrap


def signer_text(name: str, fingerprint: str, armored: str, *, until: str = "") -> str:
    """The entry of one OpenPGP signer, indented to stand below `signers:`."""
    last = f"    until: {until}\n" if until else ""
    key = textwrap.indent(armored.strip("\n"), " " * 8, lambda _: True)
    return f"  {name}:\n    openpgp:\n      fingerprint: {fingerprint}\n      publicKey: |-\n{key}\n{last}"


def policy_text(signers: str, rest: str, *, version: int = 1) -> bytes:
    """A whole policy."""
    head = f"apiVersion: airgap-bundle/policy.v1\nversion: {version}\n"
    return (head + ("signers:\n" + signers if signers else "") + rest).encode()
