"""Credentials taken out of text before it enters a record that others will read.

Names and messages quote addresses and answers of others; a password in a URL, a signed query or an authorization header
must not end in the audit trail, a receipt or a lock file. What is recognised is removed; this is a net below code that
keeps secrets out in the first place, not a licence to pass them.
"""

from __future__ import annotations

import re

REMOVED = "[removed]"
# Lengths are limited so that no text, however odd, takes more than linear time.
_DELICATE_NAME = (
    r"[a-z0-9_.-]{0,64}(?:passw(?:or)?d|passphrase|secret|token|api[_-]?key|credential|authorization|cookie)"
    r"[a-z0-9_.-]{0,64}"
)
_KEY = re.compile(_DELICATE_NAME, re.IGNORECASE)
# scheme://user:password@host, scheme://token@host
_USERINFO = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,30}://)[^/\s?#\"'<>]*@")
# key=value as in queries, environments and headers, quoted or not
_ASSIGNMENT = re.compile(
    rf"(?<![a-z0-9_.-])({_DELICATE_NAME}[\"']?\s{{0,8}}[=:]\s{{0,8}})(\"[^\"]*\"|'[^']*'|[^\s&,;\"'}})]+)",
    re.IGNORECASE,
)
# What makes the address of a presigned object a key to it.
_SIGNED_QUERY = re.compile(r"([?&](?:x-[a-z]{1,8}-signature|signature|sig)=)[^\s&#\"']+", re.IGNORECASE)
_SCHEME = re.compile(r"\b(Bearer|Basic)\s{1,8}[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)


def without_secrets(text: str) -> str:
    """`text` without URL userinfo, values of keys that sound secret, and authorization headers."""
    text = _USERINFO.sub(r"\1", text)
    text = _SCHEME.sub(rf"\1 {REMOVED}", text)
    text = _SIGNED_QUERY.sub(rf"\1{REMOVED}", text)
    return _ASSIGNMENT.sub(rf"\1{REMOVED}", text)


def is_delicate(key: str) -> bool:
    """Whether the value of a field of this name is likely to be a credential."""
    return _KEY.fullmatch(key) is not None
