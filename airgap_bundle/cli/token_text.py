"""What `token issue`, `revoke`, `list`, `keys` and `verify` say."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from airgap_bundle.boundary.tokens.exporting import LEEWAY_SECONDS
from airgap_bundle.boundary.tokens.keys import Standing
from airgap_bundle.boundary.tokens.lifetimes import life_text
from airgap_bundle.output.tables import pairs, table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from airgap_bundle.boundary.tokens.identities import Identity
    from airgap_bundle.boundary.tokens.issuing import Issued
    from airgap_bundle.boundary.tokens.keys import KeyRing, TokenKey
    from airgap_bundle.boundary.tokens.verifying import Verified
    from airgap_bundle.output.terminal import Terminal

_SOON = dt.timedelta(days=60)
_MOMENT = "%Y-%m-%dT%H:%M:%SZ"


def show_issued(issued: Issued, output: Path | None, terminal: Terminal) -> None:
    """The credential on standard output, and nothing else there; what it is for, on standard error."""
    identity = issued.identity
    if terminal.json:
        told = None if output is not None else issued.credential
        terminal.emit(
            {
                "version": 1,
                "identity": _record(identity),
                "kind": "credential" if issued.claims is None else "token",
                "credential": told,
                "file": output,
                "expires": _text(issued.claims.ends if issued.claims else identity.until),
            }
        )
        return
    if output is None:
        terminal.write(issued.credential + "\n")
    where = f"is in {output}" if output is not None else "is shown this once"
    if issued.claims is not None:
        terminal.say(f"Issued one token for {identity.name} until {_text(issued.claims.ends)}; it {where}")
    else:
        terminal.say(f"Issued {identity.name} until {identity.until:%Y-%m-%d}; its credential {where}")
    terminal.say(pairs([(f"  {name}", value) for name, value in _facts(identity)]))
    if issued.claims is None:
        terminal.say(f"Log in with it as the password of {identity.name}: podman login -u {identity.name} REGISTRY")


def show_revoked(identity: Identity, now: dt.datetime, terminal: Terminal) -> None:
    """From when on nobody takes it, and where that takes a while."""
    since = identity.revoked or now
    last = min(since + identity.life, identity.until) + dt.timedelta(seconds=LEEWAY_SECONDS)
    if terminal.json:
        terminal.emit({"version": 1, "identity": _record(identity), "lastAcceptedElsewhere": _text(last)})
        return
    if since == now:
        terminal.show(f"Revoked {identity.name}: neither serve nor its token endpoint takes it from now on")
    else:
        terminal.show(f"{identity.name} was revoked already, at {_text(since)}")
    if last > now:
        terminal.say("Registries that check signatures alone take its last token until")
        terminal.say(f"{_text(last)} at the latest")


def show_identities(found: Sequence[tuple[Identity, dt.datetime | None]], now: dt.datetime, terminal: Terminal) -> None:
    """One line each; what ends within 60 days is a warning."""
    if terminal.json:
        terminal.emit(
            {
                "version": 1,
                "identities": [
                    {**_record(one), "state": one.state(now), "lastUsed": _text(used) if used else None}
                    for one, used in found
                ],
            }
        )
        return
    if not found:
        terminal.show("No identity has a login here; airgap-import token issue makes one")
        return
    rows = [
        (
            one.name,
            _state(one, now),
            f"{used:%Y-%m-%d %H:%M}" if used else "never",
            " ".join(str(grant) for grant in one.grants),
        )
        for one, used in found
    ]
    terminal.show(table(("IDENTITY", "STATE", "LAST USED", "MAY"), rows, width=terminal.width, fold=True))
    for one, _ in found:
        if one.state(now) == "active" and not one.is_once and one.until - now < _SOON:
            terminal.warn(f"{one.name} ends on {one.until:%Y-%m-%d}; --renew with --until lets it go on")


def show_keys(ring: KeyRing, path: Path, written: Sequence[Path], now: dt.datetime, terminal: Terminal) -> None:
    """Which key signs, which is next, which are still accepted, and what was written."""
    if terminal.json:
        keys = [_key_record(key, now) for key in ring.keys]
        terminal.emit({"version": 1, "file": path, "keys": keys, "written": list(written)})
        return
    rows = [(key.standing(now).value, *_since_until(key, now), key.kid) for key in ring.keys]
    terminal.show(table(("KEY IS", "SINCE", "UNTIL", "NAME"), rows, width=terminal.width))
    for one in written:
        terminal.show(f"Wrote {one}")
    if ring.current.certificate_ends - now < _SOON:
        terminal.warn(
            f"the certificate of the key that signs ends on {ring.current.certificate_ends:%Y-%m-%d}; rotate the keys"
        )
    if not written:
        terminal.say("Registries that check tokens by themselves need new files after each rotation:")
        terminal.say("airgap-import token keys --for docker-registry")


def show_verified(verified: Verified, terminal: Terminal) -> None:
    """What a token that counts is good for."""
    claims, identity = verified.claims, verified.identity
    if terminal.json:
        terminal.emit(
            {
                "version": 1,
                "identity": _record(identity),
                "service": claims.audience,
                "expires": _text(claims.ends),
                "jti": claims.jti,
                "access": [str(one) for one in claims.access],
            }
        )
        return
    allowed = " ".join(str(one) for one in claims.access) or "nothing: it only shows who is asking"
    facts = [("token of", identity.name), ("for", claims.audience), ("until", _text(claims.ends)), ("allows", allowed)]
    terminal.show(pairs(facts, width=terminal.width))


def _state(identity: Identity, now: dt.datetime) -> str:
    state = identity.state(now)
    if state != "active":
        return state
    return f"until {identity.until:%H:%M} UTC" if identity.is_once else f"until {identity.until:%Y-%m-%d}"


def _facts(identity: Identity) -> list[tuple[str, str]]:
    facts = [
        ("may", " ".join(str(grant) for grant in identity.grants)),
        ("at", " ".join(identity.services)),
        ("tokens last", life_text(identity.life)),
    ]
    return [*facts, ("note", identity.note)] if identity.note else facts


def _record(identity: Identity) -> dict[str, object]:
    return {
        "name": identity.name,
        "number": identity.number,
        "made": _text(identity.made),
        "until": _text(identity.until),
        "lifeSeconds": int(identity.life.total_seconds()),
        "services": list(identity.services),
        "scopes": [str(grant) for grant in identity.grants],
        "once": identity.is_once,
        "note": identity.note,
        "revoked": _text(identity.revoked) if identity.revoked else None,
        "reason": identity.reason,
    }


def _key_record(key: TokenKey, now: dt.datetime) -> dict[str, object]:
    since, until = _since_until(key, now)
    return {
        "kid": key.kid,
        "standing": key.standing(now).value,
        "since": since,
        "until": until or None,
        "certificateEnds": _text(key.certificate_ends),
    }


def _since_until(key: TokenKey, now: dt.datetime) -> tuple[str, str]:
    standing = key.standing(now)
    if standing is Standing.NEXT:
        return _text(key.made), ""
    if standing is Standing.CURRENT:
        return _text(key.signs_from or key.made), ""
    if standing is Standing.OVERLAP:
        return _text(key.signs_until or now), _text(key.accepted_until or now)
    return _text(key.accepted_until or now), ""


def _text(moment: dt.datetime) -> str:
    return moment.strftime(_MOMENT)
