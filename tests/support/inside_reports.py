"""Reports of what stands inside, for pages, metrics and JSON: one that has everything, with names made to break it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from airgap_bundle.core.content import Digest
from airgap_bundle.core.inside_report import (
    Change,
    Changed,
    DriftCheck,
    DriftedThing,
    Ending,
    Ends,
    Import,
    InsideReport,
    Item,
    Login,
    Month,
    Place,
    Refusal,
    Signature,
    Standing,
    Store,
    Stored,
    Trail,
    Unfinished,
)

NOON = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
DESTINATION = "registry.internal:5000/mirror"
# What breaks pages that put text into markup as it is, or let it act.
HOSTILE = (
    "<script>window.alerts=1</script>",
    "<img src=x onerror=window.alerts=1>",
    "</title></style></td></table><h1>broken",
    '" onmouseover="window.alerts=1" x="',
    "' autofocus onfocus='window.alerts=1",
    "javascript:window.alerts=1",
    "&lt;b&gt;&#60;b&#62;&amp",
    "<!-- --><![CDATA[ ]]><?xml ?>",
    "safe\u202egnp.exe\u2066\u200f\u200b",
    "\x1b]8;;http://evil.example\x1b\\\x1b[31mred\x07",
    "אבג/1.2/דהו",
    "Z" + "\u0300" * 200,
    "x" * 5000,
    "https://evil.example/?a=1&b=2",
    "\ud800 lone",
    "a\nb\r\nc\x00d",
)


def digest(text: str) -> Digest:
    """The digest of a text."""
    return Digest.of(text.encode())


def imported(number: int = 1, **changes: Any) -> Import:
    """Import number `number` of `acme`, a day after the one before."""
    values: dict[str, Any] = {
        "receipt": f"acme-{number}-0123456789ab-01234567",
        "product": "acme",
        "release": f"1.{number}",
        "destination": DESTINATION,
        "bundle": digest(f"bundle {number}"),
        "sequence": number,
        "created": NOON - timedelta(days=1000 - number, hours=3),
        "finished": NOON - timedelta(days=1000 - number),
        "standing": Standing.EARLIER,
        "signatures": (
            Signature(signer="alice", method="openpgp", key="ab" * 20, roles=("release", "review")),
            Signature(
                signer="release-ci",
                method="keyless",
                key="https://ci.example/acme/.ci/release.yml@refs/heads/main (https://token.ci.example)",
                roles=("release",),
            ),
        ),
        "items": 3,
        "bytes": 734_003_200,
        "bytes_sent": 120_000_000,
        "policy_version": 3,
    }
    return Import(**values | changes)


def item(name: str = "library/redis", tag: str = "7.2.4", **changes: Any) -> Item:
    """An image of Docker Hub."""
    values: dict[str, Any] = {
        "kind": "image",
        "source": f"docker.io/{name}:{tag}",
        "path": f"docker.io/{name}",
        "tag": tag,
        "digest": digest(ascii(name + tag)),
        "attached": 1,
    }
    return Item(**values | changes)


def place(product: str = "acme", number: int = 900, items: int = 3, **changes: Any) -> Place:
    """A product with something in effect."""
    current = imported(number, product=product, standing=Standing.CURRENT, items=items)
    before = imported(number - 1, product=product)
    values: dict[str, Any] = {
        "product": product,
        "destination": DESTINATION,
        "current": current,
        "items": tuple(item(f"acme/service-{n}", f"1.{n}.0") for n in range(items)),
        "hosts": (("docker.io", items),),
        "change": Change(
            before=before,
            after=current,
            changed=(
                Changed(path="docker.io/acme/service-1", before="1.0.0", after="1.1.0"),
                Changed(path="docker.io/acme/service-2:7", before=digest("old"), after=digest("new")),
                Changed(path="docker.io/acme/gone", before="3", after=""),
                Changed(path="docker.io/acme/new", before="", after="4"),
            ),
            same=items,
        ),
    }
    return Place(**values | changes)


def report(**changes: Any) -> InsideReport:
    """One of everything, nothing of it hostile."""
    held = imported(901, standing=Standing.HELD)
    values: dict[str, Any] = {
        "made": NOON,
        "tool": "airgap-bundle 0.1.0",
        "places": (place(waiting=(held,)), Place(product="other", destination=DESTINATION, current=None)),
        "imports": (
            held,
            imported(900, standing=Standing.CURRENT, overrides=(("allow-older", "the vendor's advice"),)),
            imported(899),
            imported(850, product="other", standing=Standing.UNDONE),
            imported(840, standing=Standing.PARTIAL),
        ),
        "months": tuple(Month(month=f"2026-{n:02}", imports=n % 5, bytes_sent=n % 5 * 10**9) for n in range(1, 12)),
        "unfinished": (
            Unfinished(
                kind="push",
                product="acme",
                destination=DESTINATION,
                receipt="acme-902-0123456789ab-01234567",
                started=NOON - timedelta(hours=5),
                worker="",
                tags=2,
            ),
        ),
        "trail": Trail(
            records=4711,
            last=NOON - timedelta(minutes=3),
            refused=2,
            stopped=1,
            tokens_refused=17,
            refusals=(
                Refusal(
                    number=4700,
                    at=NOON - timedelta(days=1),
                    event="refused",
                    product="acme",
                    destination=DESTINATION,
                    code="AB-TRUST-UNSIGNED",
                    reason="the bundle acme-1.9.0.tar has no signature that counts",
                ),
                Refusal(
                    number=4600,
                    at=NOON - timedelta(days=9),
                    event="push-stopped",
                    product="acme",
                    destination=DESTINATION,
                    code="interrupted",
                    reason="",
                ),
            ),
        ),
        "policy_version": 3,
        "endings": (
            Ending(what=Ends.LOGIN, name="site-b", at=NOON - timedelta(days=3)),
            Ending(what=Ends.SIGNER, name="alice", at=NOON + timedelta(days=20)),
            Ending(what=Ends.BUNDLE, name="acme 1.900", at=NOON + timedelta(days=50), destination=DESTINATION),
            Ending(what=Ends.AGE, name="acme 1.900", at=NOON + timedelta(days=80), destination=DESTINATION),
            Ending(what=Ends.KEY, name=f"alice, {'ab' * 20}", at=NOON + timedelta(days=700)),
        ),
        "drift": (
            DriftCheck(
                destination=DESTINATION,
                products=("acme", "other"),
                at=NOON - timedelta(days=2),
                deep=True,
                count=2,
                found=(
                    DriftedThing(
                        repository="mirror/docker.io/library/redis",
                        kind="tag",
                        name="7",
                        expected=digest("new"),
                        found=digest("old"),
                    ),
                    DriftedThing(
                        repository="mirror/docker.io/library/redis",
                        kind="blob",
                        name=digest("blob"),
                        expected=digest("blob"),
                        found=None,
                    ),
                ),
            ),
            DriftCheck(destination="staging.internal", products=("acme",), at=NOON, deep=False, count=0, found=()),
        ),
        "logins": (
            Login(
                name="site-a",
                state="active",
                scopes=("acme/**:pull", "registry:catalog:*"),
                made=NOON - timedelta(days=100),
                until=NOON + timedelta(days=265),
                last_used=NOON - timedelta(minutes=9),
            ),
            Login(
                name="site-b",
                state="ended",
                scopes=("**:pull,push",),
                made=NOON - timedelta(days=300),
                until=NOON - timedelta(days=3),
                last_used=None,
            ),
        ),
        "store": Store(
            count=2,
            repositories=(
                Stored(name="docker.io/library/redis", tags=("7", "7.2.4"), tag_count=12),
                Stored(name="docker.io/acme/app", tags=(), tag_count=0),
            ),
            free_bytes=10**11,
        ),
    }
    return InsideReport(**values | changes)


def hostile_report() -> InsideReport:
    """The same with hostile text wherever there is text at all."""
    whole = report()
    texts = HOSTILE
    items = tuple(item(source=text, tag=text, path=text, kind=text) for text in texts)
    current = imported(900, standing=Standing.CURRENT, overrides=tuple((text, text) for text in texts))
    places = []
    for text in texts:
        signed = tuple(Signature(signer=text, method=text, key=text, roles=(text,)) for _ in range(2))
        one = replace(current, product=text, release=text, destination=text, receipt=text, signatures=signed)
        one = replace(one, approvals=(text,), published=NOON, promoted_from=text, expires=NOON)
        change = Change(before=one, after=one, changed=(Changed(path=text, before=text, after=text),), same=1)
        places.append(
            Place(
                product=text,
                destination=text,
                current=one,
                items=items,
                hosts=((text, 1),),
                waiting=(replace(one, standing=Standing.HELD),),
                change=change,
            )
        )
    assert whole.trail is not None
    return replace(
        whole,
        tool=texts[0],
        places=tuple(places),
        imports=tuple(one.current for one in places if one.current is not None),
        months=(),
        unfinished=tuple(replace(whole.unfinished[0], product=text, worker="", kind=text) for text in texts),
        trail=replace(
            whole.trail,
            problems=texts,
            refusals=tuple(
                Refusal(number=1, at=NOON, event=text, product=text, destination=text, code=text, reason=text)
                for text in texts
            ),
        ),
        endings=tuple(Ending(what=Ends.SIGNER, name=text, at=NOON, destination=text) for text in texts),
        drift=tuple(
            DriftCheck(
                destination=text,
                products=(text,),
                at=NOON,
                deep=False,
                count=1,
                found=(DriftedThing(repository=text, kind=text, name=text, expected=text, found=text),),
            )
            for text in texts
        ),
        logins=tuple(
            Login(name=text, state=text, scopes=(text,), made=NOON, until=NOON, last_used=None, note=text)
            for text in texts
        ),
        store=Store(
            count=len(texts),
            repositories=tuple(Stored(name=text, tags=(text,), tag_count=1) for text in texts),
            free_bytes=0,
        ),
        problems=texts,
    )


def large_report(imports: int = 1000, images: int = 5000, products: int = 20) -> InsideReport:
    """So many imports, and so many images in effect, spread over products."""
    each = images // products
    return report(
        places=tuple(place(f"product-{n:02}", 900 + n, each) for n in range(products)),
        imports=tuple(imported(imports - n, product=f"product-{n % products:02}") for n in range(imports)),
    )
