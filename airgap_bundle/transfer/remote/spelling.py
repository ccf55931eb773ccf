"""Whether BUNDLE is spelt as a URL, and how such a one is shown. Every command asks; few go on to `address`."""

from __future__ import annotations

import re

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
# What ends the authority of a URL, and what it can be without a login (RFC 3986 section 3.2).
_AUTHORITY_ENDS = re.compile(r"[/?#]")
_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")


def is_address(bundle: str) -> bool:
    """Whether BUNDLE is meant as a URL, of whatever kind."""
    return _SCHEME.match(bundle) is not None


def shown(bundle: str) -> str:
    """BUNDLE as records and screens show it: of a URL neither login nor query."""
    if not is_address(bundle):
        return bundle
    scheme, _, rest = bundle.partition("://")
    if has_login(rest):
        rest = rest.rpartition("@")[2]
    return f"{scheme}://{rest.partition('#')[0].partition('?')[0]}"


def has_login(rest: str) -> bool:
    """Whether what follows the scheme begins with a login, also one whose password has characters that end a host."""
    authority = _AUTHORITY_ENDS.split(rest, maxsplit=1)[0]
    return "@" in authority or ("@" in rest and _HOST.fullmatch(authority) is None)
