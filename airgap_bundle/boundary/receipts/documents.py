"""A receipt as bytes, and as what DEST keeps: `airgap-receipts/<product>:<id>`, an OCI artifact.

The JSON form is RFC 8785 and `receipt.v1.schema.json` beside this module describes it. What comes back from a file or a
registry is read strictly, and is then well formed, which says nothing about whether it is true.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airgap_bundle.boundary.judging.upstream_verdict import UpstreamVerdict
from airgap_bundle.boundary.receipts.receipt import (
    Attached,
    AuditHead,
    Evidence,
    HeldBlobs,
    MapRule,
    Outcome,
    Override,
    PolicyUsed,
    Promotion,
    Publication,
    Receipt,
    ReceiptItem,
    SignedBy,
    Totals,
)
from airgap_bundle.boundary.receipts.services import Service
from airgap_bundle.bundle.inventory import check_product
from airgap_bundle.core import strictjson
from airgap_bundle.core.content import Descriptor, Digest
from airgap_bundle.core.errors import DocumentError, InvalidValueError
from airgap_bundle.core.fields import Fields
from airgap_bundle.core.moments import moment_text
from airgap_bundle.core.oci import OCI_EMPTY, OCI_MANIFEST, TITLE, Document, parse_document
from airgap_bundle.manifest.settings import Form, Setting
from airgap_bundle.transfer.bases import RECEIPT_TYPE

if TYPE_CHECKING:
    from collections.abc import Mapping

# As much as an inventory may have: 64 MiB are more than 100,000 images.
MAX_RECEIPT_BYTES = 64 * 1024 * 1024
# The config of an artifact that has none (image specification 1.1, "Guidance for an Empty Descriptor").
EMPTY_CONFIG = b"{}"
RECEIPTS_REPOSITORY = "airgap-receipts"


def dump_receipt(receipt: Receipt) -> bytes:
    """The canonical JSON of a receipt; the same receipt gives the same bytes. `InvalidValueError` above 64 MiB."""
    raw = strictjson.canonical(
        {
            "_type": RECEIPT_TYPE,
            "id": receipt.id,
            "bundle": receipt.bundle_id,
            "product": receipt.product,
            "version": receipt.version,
            "sequence": receipt.sequence,
            "created": moment_text(receipt.created),
            "audience": list(receipt.audience),
            "destination": receipt.destination,
            "map": [{"from": rule.pattern, "to": rule.target} for rule in receipt.map],
            "partial": receipt.partial,
            "held": receipt.held,
            "signers": [_signed_by_value(one) for one in receipt.signers],
            "policy": {"version": receipt.policy.version, "digest": receipt.policy.digest},
            "overrides": [{"option": o.option, "value": o.value, "reason": o.reason} for o in receipt.overrides],
            "started": moment_text(receipt.started),
            "finished": moment_text(receipt.finished),
            "tool": receipt.tool,
            "items": [_item_value(item) for item in receipt.items],
            "totals": {
                "blobsPushed": receipt.totals.blobs_pushed,
                "blobsMounted": receipt.totals.blobs_mounted,
                "blobsPresent": receipt.totals.blobs_present,
                "bytesSent": receipt.totals.bytes_sent,
            },
            "audit": {"records": receipt.audit.records, "head": receipt.audit.digest},
            "previous": receipt.previous,
            **_later_values(receipt),
        }
    )
    if len(raw) > MAX_RECEIPT_BYTES:
        raise InvalidValueError(f"a receipt of {len(raw)} bytes, more than the {MAX_RECEIPT_BYTES} allowed")
    return raw


def parse_receipt(raw: bytes) -> Receipt:
    """The receipt that `raw` spells. It is well formed, which says nothing about whether it is true.

    Refused with `InvalidValueError`: more than 64 MiB, unknown or missing fields, another `_type`, an id that is not
    that of the content, and bytes that `dump_receipt` would not have written.
    """
    value = strictjson.parse_object(raw, max_bytes=MAX_RECEIPT_BYTES)
    with Fields(value) as fields:
        kind, named = fields.text("_type"), fields.text("id")
        if kind != RECEIPT_TYPE:
            raise InvalidValueError(f"not a receipt of a version known here: {kind[:120]!r}")
        receipt = Receipt(
            bundle_id=fields.digest("bundle"),
            product=fields.text("product"),
            version=fields.text("version"),
            sequence=fields.number("sequence"),
            created=fields.moment("created"),
            audience=fields.texts("audience"),
            destination=fields.text("destination"),
            map=fields.each("map", lambda f: MapRule(pattern=f.text("from"), target=f.text("to"))),
            partial=fields.flag("partial"),
            held=fields.flag("held"),
            signers=fields.each("signers", _signed_by),
            policy=fields.inner("policy", lambda f: PolicyUsed(version=f.number("version"), digest=f.digest("digest"))),
            overrides=fields.each("overrides", _override),
            started=fields.moment("started"),
            finished=fields.moment("finished"),
            tool=fields.text("tool"),
            items=fields.each("items", _item),
            totals=fields.inner("totals", _totals),
            audit=fields.inner("audit", lambda f: AuditHead(records=f.number("records"), digest=f.digest("head"))),
            previous=fields.text("previous"),
            publication=fields.inner("publication", _publication) if fields.has("publication") else None,
            promotion=fields.inner("promotion", _promotion) if fields.has("promotion") else None,
            upstream=fields.each("upstream", UpstreamVerdict.read) if fields.has("upstream") else (),
            content=fields.each("content", _held_blobs) if fields.has("content") else (),
            expires=fields.moment("expires") if fields.has("expires") else None,
            release=fields.digest("release") if fields.has("release") else None,
            delta=fields.flag("delta") if fields.has("delta") else False,
        )
    if named != receipt.id:
        raise InvalidValueError(f"the id {named[:160]!r} is not that of its content, {receipt.id}")
    if dump_receipt(receipt) != raw:
        raise InvalidValueError("the receipt is not in canonical form")
    return receipt


def read_receipt(raw: bytes, where: str) -> Receipt:
    """`parse_receipt` for bytes from outside; `where` names file or artifact in the `DocumentError`."""
    try:
        return parse_receipt(raw)
    except InvalidValueError as error:
        raise DocumentError(
            "AB-RECEIPT-INVALID",
            f"{where} is not a receipt: {error}",
            hint="name a receipt by its id, or give the file exactly as an import wrote it",
        ) from error


def receipt_repository(product: str) -> str:
    """The repository below DEST that keeps the receipts of a product; each has its id as tag."""
    return f"{RECEIPTS_REPOSITORY}/{check_product(product)}"


def receipt_artifact(raw: bytes) -> tuple[Descriptor, Descriptor, Document]:
    """What DEST keeps for a receipt: the config (whose bytes are `EMPTY_CONFIG`), the layer (`raw`), the manifest.

    The same receipt gives the same manifest. Raises `InvalidValueError` if `raw` is no receipt.
    """
    name = f"{parse_receipt(raw).id}.json"
    config = Descriptor(media_type=OCI_EMPTY, digest=Digest.of(EMPTY_CONFIG), size=len(EMPTY_CONFIG))
    layer = Descriptor(media_type=RECEIPT_TYPE, digest=Digest.of(raw), size=len(raw))
    manifest = strictjson.canonical(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": RECEIPT_TYPE,
            "config": descriptor_value(config),
            # The title is the name under which `oras pull` writes it.
            "layers": [{**descriptor_value(layer), "annotations": {TITLE: name}}],
        }
    )
    return config, layer, parse_document(manifest, OCI_MANIFEST)


def descriptor_value(descriptor: Descriptor) -> dict[str, object]:
    """A descriptor as an image manifest has it, without annotations."""
    return {"mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size}


def _signed_by_value(one: SignedBy) -> Mapping[str, object]:
    return {"signer": one.signer, "method": one.method, "key": one.key, "roles": list(one.roles)}


def _later_values(receipt: Receipt) -> Mapping[str, object]:
    """The fields that only some receipts have."""
    found: dict[str, object] = {}
    if (one := receipt.publication) is not None:
        found["publication"] = {
            "at": moment_text(one.at),
            "held": one.held,
            "evidence": [{"name": file.name, "digest": file.digest, "size": file.size} for file in one.evidence],
            "approvals": [_signed_by_value(approval) for approval in one.approvals],
        }
    if (came := receipt.promotion) is not None:
        found["promotion"] = {"destination": came.destination, "receipt": came.receipt, "digest": came.digest}
    if receipt.upstream:
        found["upstream"] = [verdict.record for verdict in receipt.upstream]
    if receipt.content:
        found["content"] = [{"path": one.path, "blobs": one.blobs} for one in receipt.content]
    if receipt.expires is not None:
        found["expires"] = moment_text(receipt.expires)
    if receipt.release is not None:
        found["release"] = receipt.release
    if receipt.delta:
        found["delta"] = True
    return found


def _held_blobs(fields: Fields) -> HeldBlobs:
    return HeldBlobs(path=fields.text("path"), blobs=fields.number_map("blobs"))


def _publication(fields: Fields) -> Publication:
    return Publication(
        at=fields.moment("at"),
        held=fields.digest("held"),
        evidence=fields.each(
            "evidence", lambda f: Evidence(name=f.text("name"), digest=f.digest("digest"), size=f.number("size"))
        ),
        approvals=fields.each("approvals", _signed_by),
    )


def _promotion(fields: Fields) -> Promotion:
    return Promotion(
        destination=fields.text("destination"), receipt=fields.text("receipt"), digest=fields.digest("digest")
    )


def _item_value(item: ReceiptItem) -> Mapping[str, object]:
    return {
        "kind": item.kind,
        "source": item.source,
        "path": item.path,
        "tag": item.tag,
        "digest": item.digest,
        "mediaType": item.media_type,
        "size": item.size,
        "previous": item.previous or "",
        "anchor": item.anchor,
        "outcome": item.outcome,
        "attached": [
            {
                "subject": a.subject,
                "digest": a.digest,
                "mediaType": a.media_type,
                "artifactType": a.artifact_type,
                "tag": a.tag,
                "outcome": a.outcome,
            }
            for a in item.attached
        ],
        **_named_values(item),
    }


def _named_values(item: ReceiptItem) -> Mapping[str, object]:
    """Where the item is named; fields that only some items have."""
    found: dict[str, object] = {}
    if item.settings:
        found["settings"] = [
            {"at": one.at, "form": one.form, "text": one.text, "proof": one.proof} for one in item.settings
        ]
    if item.services:
        found["services"] = [{"file": one.file, "name": one.name} for one in item.services]
    return found


def _item(fields: Fields) -> ReceiptItem:
    return ReceiptItem(
        kind=fields.text("kind"),
        source=fields.text("source"),
        path=fields.text("path"),
        tag=fields.text("tag"),
        digest=fields.digest("digest"),
        media_type=fields.text("mediaType"),
        size=fields.number("size"),
        previous=fields.digest_or_none("previous"),
        anchor=fields.text("anchor"),
        outcome=_outcome(fields),
        attached=fields.each("attached", _attached),
        settings=fields.each("settings", _setting) if fields.has("settings") else (),
        services=fields.each("services", lambda f: Service(file=f.text("file"), name=f.text("name")))
        if fields.has("services")
        else (),
    )


def _setting(fields: Fields) -> Setting:
    return Setting(at=fields.text("at"), form=_form(fields), text=fields.text("text"), proof=fields.text("proof"))


def _form(fields: Fields) -> Form:
    text = fields.text("form")
    try:
        return Form(text)
    except ValueError as error:
        raise InvalidValueError(f"not a form: {text[:80]!r}") from error


def _attached(fields: Fields) -> Attached:
    return Attached(
        subject=fields.digest("subject"),
        digest=fields.digest("digest"),
        media_type=fields.text("mediaType"),
        artifact_type=fields.text("artifactType"),
        tag=fields.text("tag"),
        outcome=_outcome(fields),
    )


def _outcome(fields: Fields) -> Outcome:
    text = fields.text("outcome")
    try:
        return Outcome(text)
    except ValueError as error:
        raise InvalidValueError(f"not an outcome: {text[:80]!r}") from error


def _signed_by(fields: Fields) -> SignedBy:
    return SignedBy(
        signer=fields.text("signer"), method=fields.text("method"), key=fields.text("key"), roles=fields.texts("roles")
    )


def _override(fields: Fields) -> Override:
    return Override(option=fields.text("option"), value=fields.text("value"), reason=fields.text("reason"))


def _totals(fields: Fields) -> Totals:
    return Totals(
        blobs_pushed=fields.number("blobsPushed"),
        blobs_mounted=fields.number("blobsMounted"),
        blobs_present=fields.number("blobsPresent"),
        bytes_sent=fields.number("bytesSent"),
    )
