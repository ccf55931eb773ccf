"""Deltas, from base to destination: what is left out was there, or nothing comes in."""

from __future__ import annotations

import itertools
import json
import random
import tarfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.bundles import parts_of
from support.delta import LAYER_BYTES, Releases, images, inventory_of, weight_of
from support.gate import gate_before
from support.images import cosign_signature, multi_arch_image, referrer, single_image
from support.nginx import nginx_before
from support.registries import debian_registry, embedded_registry
from support.trip import catalogue, client, keys, make_trip, run, start

from airgap_bundle.boundary.receipts.documents import dump_receipt, parse_receipt
from airgap_bundle.boundary.receipts.kept import keep_receipt
from airgap_bundle.bundle.signatures import SignatureFile
from airgap_bundle.core.content import Digest
from airgap_bundle.registry.store import DirectoryRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.content import ImageContent
    from support.trip import Trip


@pytest.fixture
def trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trip]:
    with make_trip(tmp_path, monkeypatch) as made:
        yield made


@pytest.fixture
def releases(trip: Trip) -> Releases:
    """Nothing released yet."""
    return Releases(trip=trip)


@pytest.fixture
def second(releases: Releases) -> Path:
    """Release 1 of a, b and c is inside; release 2 changes a, and is locked. The receipt of release 1."""
    releases.put("1", images("abc", "1"))
    receipt = releases.push(releases.build("one.tar"))
    releases.put("2", images("abc", "2", changed="a"))
    return receipt


def layers(*contents: ImageContent) -> set[Digest]:
    return {layer.digest for content in contents for document in content.documents for layer in document.layers}


def holdings(releases: Releases, *options: object) -> Path:
    file = releases.trip.path / "holdings.json"
    where = ("--policy", releases.trip.policy, "--state", releases.trip.state)
    said = run("airgap-import", "holdings", "-o", file, *options, *where)
    assert said.status == 0, said.err
    return file


def content_of(path: Path) -> dict[tuple[str, str], dict[Digest, bytes]]:
    """Everything below each tag of a directory registry that is not one of our own, read back."""
    registry = DirectoryRegistry(path, make=False)
    found: dict[tuple[str, str], dict[Digest, bytes]] = {}
    for links in sorted(path.glob("repositories/**/_tags")):
        repository = str(links.parent.relative_to(path / "repositories"))
        for tag in registry.list_tags(repository):
            if not repository.startswith("airgap-receipts") and not tag.startswith("airgap-"):
                found[repository, tag] = dict(_below(registry, repository, tag))
    return found


def _below(registry: DirectoryRegistry, repository: str, reference: str) -> Iterator[tuple[Digest, bytes]]:
    document = registry.get_manifest(repository, reference)
    assert document is not None
    yield document.descriptor.digest, document.raw
    for blob in document.blobs:
        with registry.open_blob(repository, blob.digest, blob.size) as stream:
            data = bytearray(blob.size)
            assert stream.readinto(memoryview(data)) == blob.size
        assert Digest.of(bytes(data)) == blob.digest
        yield blob.digest, bytes(data)
    for child in document.children:
        yield from _below(registry, repository, child.descriptor.digest)
    for one in registry.list_referrers(repository, document.descriptor.digest):
        yield from _below(registry, repository, one.digest)


# What travels


def test_a_delta_carries_what_is_new_and_every_document_and_config(releases: Releases, second: Path) -> None:
    inventory = inventory_of(releases.build("two.tar", second))
    new = images("abc", "2", changed="a")
    shared = layers(*images("abc", "1").values())
    carried = {blob.digest for blob in inventory.blobs}
    assert {blob.digest for blob in inventory.assumed} == layers(*new.values()) & shared
    assert carried == {digest for one in new.values() for digest in (one.digest, *one.blobs)} - shared
    assert inventory.base == (_id(releases, "one.tar"),)


def _id(releases: Releases, bundle: str) -> Digest:
    said = run("airgap-export", "inspect", releases.trip.path / bundle, "--format", "json")
    return Digest(said.json["bundleId"])


def test_receipt_holdings_and_bundle_give_the_same_bytes_in_any_order(releases: Releases, second: Path) -> None:
    bases = [second, holdings(releases), releases.trip.path / "one.tar"]
    built = {
        releases.plan(*order).json["bundleId"] for count in (1, 2, 3) for order in itertools.permutations(bases, count)
    }
    assert len(built) == 1
    one, two = releases.build("x.tar", *bases), releases.build("y.tar", *reversed(bases))
    assert releases.plan(second).json["bundleId"] == str(_id(releases, "x.tar"))
    assert inventory_of(one) == inventory_of(two)


def test_plan_says_what_is_saved_of_each_item_and_altogether(releases: Releases, second: Path) -> None:
    found = releases.plan(second).json
    saved = {item["path"].rpartition("/")[2]: item["leftOut"]["blobs"] for item in found["items"]}
    assert saved == {"a": 1, "b": 2, "c": 2}
    assert found["leftOut"]["blobs"] == 3
    assert found["leftOut"]["bytes"] > 3 * LAYER_BYTES
    (base,) = found["bases"]
    assert (base["kind"], base["destinations"]) == ("receipt", [releases.dest])
    assert found["bundleBytes"] < releases.plan().json["bundleBytes"] - 3 * LAYER_BYTES
    text = run("airgap-export", "plan", releases.trip.path / "acme.yaml", "--base", second).out
    assert "Leaves out 3 blobs" in text
    assert "the import proves" in text


def test_where_nothing_is_inside_it_is_the_full_bundle_and_says_so(releases: Releases) -> None:
    releases.put("1", images("x", "1"))
    other = releases.build("one.tar")
    releases.put("2", {"acme/y": single_image("y")})
    said = releases.plan(other)
    assert said.json["bundleId"] == releases.plan().json["bundleId"]
    assert "this is a full bundle" in said.err


def test_index_and_docker_manifest_name_only_what_is_whole(releases: Releases, second: Path) -> None:
    releases.put("3", {**images("ab", "3", changed="a"), "acme/new": single_image("alone")})
    unpacked = releases.trip.path / "unpacked"
    unpacked.mkdir()
    bundle = releases.build("three.tar", second)
    with tarfile.open(bundle) as archive:
        archive.extractall(unpacked, filter="data")
    index = json.loads((unpacked / "index.json").read_bytes())
    names = [entry["annotations"]["org.opencontainers.image.ref.name"] for entry in index["manifests"]]
    assert [name.rpartition("/")[2] for name in names] == ["new:3"]
    (entry,) = json.loads((unpacked / "manifest.json").read_bytes())
    assert [tag.rpartition("/")[2] for tag in entry["RepoTags"]] == ["new:3"]
    assert all((unpacked / layer).exists() for layer in (entry["Config"], *entry["Layers"]))


def test_signatures_travel_although_they_are_inside(releases: Releases) -> None:
    image = single_image("app", base="shared")
    tag, signature = cosign_signature(image.root)
    sbom = referrer(image.root)
    contents = {"acme/app": image.with_referrers(sbom)}
    releases.trip.put({("acme/app", tag): signature})
    releases.put("1", contents)
    releases.push(releases.build("one.tar"))
    releases.put("2", contents)
    inventory = inventory_of(releases.build("two.tar", releases.trip.path / "one.tar"))
    carried = {blob.digest for blob in inventory.blobs}
    assert layers(signature) <= carried
    assert {blob.digest for blob in inventory.assumed} == layers(image, sbom)


def test_a_delta_weighs_what_has_changed_and_its_head(releases: Releases) -> None:
    """One image of twenty; the large one is a twentieth of what tests/benchmarks/delta_size.py takes."""

    def release(number: str) -> dict[str, ImageContent]:
        others = {f"acme/image{n}": single_image(f"image {n}", base=f"image {n}", layers=1) for n in range(19)}
        return {**others, "acme/large": single_image("large", base=f"large {number}", layers=1, size=5_000_000)}

    releases.put("1", release("1"))
    receipt = releases.push(releases.build("one.tar"))
    releases.put("2", release("2"))
    weight = weight_of(releases.build("two.tar", receipt))
    assert weight["changedBytes"] > 5_000_000
    assert weight["morePerCent"] <= 2
    # The head: a megabyte for signatures, and what lists twenty images.
    assert weight["headBytes"] < 1_048_576 + 64 * 1024


def test_diff_of_full_and_delta_sees_the_same_content(releases: Releases, second: Path) -> None:
    full, delta = releases.build("full.tar"), releases.build("delta.tar", second)
    found = run("airgap-manifest", "diff", full, delta, "--format", "json").json
    assert found["same"]
    assert found["deltaBytes"] == 0
    assert found["old"]["bytes"] == found["new"]["bytes"]


# On its way in


@pytest.mark.parametrize("seed", range(4))
def test_delta_and_base_are_the_full_bundle(releases: Releases, seed: int) -> None:
    dice = random.Random(seed)

    def any_image() -> ImageContent:
        base = dice.choice(["shared", "other", ""])
        letter = dice.choice("klm")
        if dice.random() < 0.3:
            return multi_arch_image(letter, base=base, size=3000)
        image = single_image(letter, base=base, size=3000, layers=dice.choice([1, 3]))
        return image.with_referrers(referrer(image.root)) if dice.random() < 0.4 else image

    def any_release() -> dict[str, ImageContent]:
        return {f"acme/{name}": any_image() for name in dice.sample("abcd", dice.randint(1, 4))}

    releases.put("1", any_release())
    receipt = releases.push(releases.build("one.tar"))
    releases.put("2", any_release())
    releases.push(releases.build("delta.tar", receipt))
    whole = releases.trip.path / "whole"
    for bundle in (releases.trip.path / "one.tar", releases.build("full.tar")):
        releases.push(bundle, dest=f"dir:{whole}")
    assert content_of(releases.registry) == content_of(whole)
    assert content_of(whole)


@pytest.mark.tools("docker-registry")
def test_a_chain_of_deltas_into_debians_registry(releases: Releases) -> None:
    trip = releases.trip
    with debian_registry(trip.path / "debian") as address:
        dest = f"{address}/mirror"
        releases.put("1", images("abc", "1"))
        receipt = releases.push(releases.build("one.tar"), dest=dest)
        for version, changed in (("2", "a"), ("3", "ab")):
            new = images("abcd", version, changed=changed)
            releases.put(version, new)
            pushed = trip.pushed(releases.build(f"{version}.tar", receipt), dest)
            receipt = trip.state / "receipts" / f"{pushed['receipt']}.json"
            assert pushed["leftOut"]["blobs"] >= 3
            with client(address) as registry:
                for repository, content in new.items():
                    name = f"mirror/{trip.source.address.replace(':', '_')}/{repository}"
                    assert registry.get_manifest(name, version) == content.root
                    for digest, data in content.blobs.items():
                        assert registry.has_blob(name, digest, len(data))
        where = ("--policy", trip.policy, "--state", trip.state)
        assert run("airgap-import", "drift", "--deep", *where).status == 0


def test_a_lost_bundle_is_no_dead_end(releases: Releases, second: Path) -> None:
    """Release 2 was pushed and lost; release 3 is built against its receipt alone."""
    lost = releases.build("two.tar", second)
    receipt = releases.push(lost)
    lost.unlink()
    second.unlink()
    (releases.trip.path / "one.tar").unlink()
    releases.put("3", images("abc", "3", changed="b"))
    releases.push(releases.build("three.tar", receipt))
    assert len(content_of(releases.registry)) == 9


def test_a_delta_can_be_the_base_of_a_delta(releases: Releases, second: Path) -> None:
    two = releases.build("two.tar", second)
    releases.push(two)
    releases.put("3", images("abc", "2", changed="a"))
    third = releases.build("three.tar", two)
    assert {blob.digest for blob in inventory_of(third).assumed} == layers(*images("abc", "2", changed="a").values())
    assert inventory_of(third).base == (_id(releases, "two.tar"),)
    releases.push(third)


def test_a_delta_comes_in_through_a_stream(releases: Releases, second: Path) -> None:
    trip = releases.trip
    with releases.build("two.tar", second).open("rb") as stream:
        process = start("airgap-import", *trip.push_arguments("-", releases.dest), stdin=stream)
        err = process.communicate(timeout=60)[1]
    assert process.returncode == 0, err.decode()
    new = images("abc", "2", changed="a")
    found = content_of(releases.registry)
    assert {next(iter(below)) for (_, tag), below in found.items() if tag == "2"} == {
        one.digest for one in new.values()
    }


def test_the_same_delta_again_changes_nothing(releases: Releases, second: Path) -> None:
    delta = releases.build("two.tar", second)
    releases.push(delta)
    again = releases.trip.pushed(delta, releases.dest)
    assert again["tagsMoved"] == again["blobs"]["pushed"] == again["blobs"]["mounted"] == 0


def test_a_part_of_a_delta_needs_only_its_own_base(releases: Releases, second: Path) -> None:
    delta = releases.build("two.tar", second)
    (own,) = layers(images("c", "1")["acme/c"]) - layers(images("b", "1")["acme/b"])
    releases.collect(own)
    said = releases.trip.pushed(delta, releases.dest, "--only", "**/acme/a", "--only", "**/acme/b")
    assert said["partial"]
    releases.refused(delta, 4, "AB-BUNDLE-BASE")


def test_files_that_are_left_out_are_written_all_the_same(releases: Releases) -> None:
    trip = releases.trip
    (trip.path / "licence.txt").write_text("a licence " * 100)
    files = ("files:", "  - {path: licence.txt, as: licence.txt}")
    releases.put("1", images("a", "1"), *files)
    receipt = releases.push(releases.build("one.tar"))
    releases.put("2", images("a", "2", changed="a"), *files)
    delta = releases.build("two.tar", receipt)
    digest = Digest.of((trip.path / "licence.txt").read_bytes())
    assert digest in {blob.digest for blob in inventory_of(delta).assumed}
    trip.pushed(delta, releases.dest, "--files-to", trip.path / "out")
    assert (trip.path / "out" / "licence.txt").read_text() == "a licence " * 100


def test_it_can_be_undone_promoted_looked_after_and_tidied(releases: Releases, second: Path) -> None:
    trip = releases.trip
    before = {tags: below for tags, below in content_of(releases.registry).items() if tags[1] == "1"}
    releases.put("1", images("abc", "2", changed="a"))
    receipt = releases.push(releases.build("two.tar", second))
    where = ("--policy", trip.policy, "--state", trip.state)

    def done(*words: object) -> None:
        said = run("airgap-import", *words, *where)
        assert said.status == 0, said.err

    done("drift", "--deep")
    done("prune", "acme")
    done("promote", receipt.stem, releases.dest, f"dir:{trip.path / 'production'}")
    promoted = content_of(trip.path / "production")
    assert promoted == content_of(releases.registry)
    assert promoted != before
    done("rollback", "acme", "--dest", releases.dest)
    assert content_of(releases.registry) == before
    # What was promoted is a base too: its receipt lists what is there.
    (second_receipt,) = [
        one
        for one in (trip.state / "receipts").glob("*.json")
        if json.loads(one.read_bytes())["destination"].endswith("production")
    ]
    releases.put("3", images("abc", "3", changed="b"))
    releases.push(releases.build("three.tar", second_receipt), dest=f"dir:{trip.path / 'production'}")


# What is somewhere else


def test_what_another_product_brought_is_mounted(releases: Releases) -> None:
    trip = releases.trip
    releases.put("1", {"other/tool": single_image("tool", base="shared", size=LAYER_BYTES)}, name="other")
    other = releases.build("other.tar", name="other")
    receipt = releases.push(other)
    releases.put("1", images("ab", "1"))
    delta = releases.build("acme.tar", receipt)
    (assumed,) = inventory_of(delta).assumed
    planned = run(
        "airgap-import",
        "plan",
        delta,
        releases.dest,
        "--policy",
        trip.policy,
        "--state",
        trip.state,
        "--format",
        "json",
    ).json
    assert [(one["digest"], len(one["to"])) for one in planned["mounts"]] == [(assumed.digest, 2)]
    assert planned["mounts"][0]["from"].endswith("other/tool")
    pushed = trip.pushed(delta, releases.dest)
    assert pushed["blobs"]["mounted"] == 2


@pytest.mark.tools("nginx", "docker-registry")
@pytest.mark.parametrize("stream", [False, True])
def test_where_a_registry_cannot_mount_it_is_read_there_and_sent(
    releases: Releases, second: Path, *, stream: bool
) -> None:
    trip = releases.trip
    rules = "location ~ ^/v2/.+/blobs/uploads/$ { proxy_pass http://@BACKEND@$uri; }"
    with debian_registry(trip.path / "debian") as address, nginx_before(address, trip.path / "n", rules=rules) as front:
        receipt = releases.push(trip.path / "one.tar", dest=f"{front.address}/mirror")
        delta = releases.build("two.tar", second)
        # Another path of the same registry: nothing of the base is in its repositories.
        arguments = trip.push_arguments("-" if stream else delta, f"{front.address}/elsewhere")
        with delta.open("rb") as file:
            process = start("airgap-import", *arguments, stdin=file)
            err = process.communicate(timeout=60)[1]
        assert process.returncode == 0, err.decode()
        assert receipt.exists()
        with client(address) as registry:
            for repository, content in images("abc", "2", changed="a").items():
                name = f"elsewhere/{trip.source.address.replace(':', '_')}/{repository}"
                assert registry.get_manifest(name, "2") == content.root
                for digest, data in content.blobs.items():
                    assert registry.has_blob(name, digest, len(data))


# A base that is not there


def test_a_base_that_never_came_is_named_with_what_is_missing(releases: Releases, second: Path) -> None:
    delta = releases.build("two.tar", second)
    empty = f"dir:{releases.trip.path / 'empty'}"
    error = releases.refused(delta, 4, "AB-BUNDLE-BASE", dest=empty)
    assert f"{_id(releases, 'one.tar')} (never imported there)" in error["message"]
    assert "lacks 3 blobs" in error["message"]
    assert not (releases.trip.path / "empty").exists()
    # With the base the same delta comes in.
    releases.push(releases.trip.path / "one.tar", dest=empty)
    releases.push(delta, dest=empty)


def test_a_base_that_was_collected_is_named_with_its_receipt(releases: Releases, second: Path) -> None:
    delta = releases.build("two.tar", second)
    (gone, *_) = inventory_of(delta).assumed
    releases.collect(gone.digest)
    error = releases.refused(delta, 4, "AB-BUNDLE-BASE")
    assert f"imported there as {second.stem}" in error["message"]
    assert gone.digest in error["message"]
    assert "push it again" in error["hint"]
    # That helps, and so does building against what is there.
    fresh = releases.build("fresh.tar", holdings(releases))
    assert gone.digest in {blob.digest for blob in inventory_of(fresh).blobs}
    releases.push(releases.trip.path / "one.tar")
    releases.push(delta)


def test_a_base_that_is_there_with_other_bytes_is_found_by_deep(releases: Releases, second: Path) -> None:
    delta = releases.build("two.tar", second)
    bad = inventory_of(delta).assumed[0].digest
    releases.damage(bad)
    error = releases.refused(delta, 4, "AB-BUNDLE-BASE", "--deep")
    assert "holds damaged 1 blob" in error["message"]
    assert bad in error["message"]


def test_deep_finds_what_a_full_bundle_would_not_send_again(releases: Releases, second: Path) -> None:
    assert second.exists()
    full = releases.build("two.tar")
    bad = min(layers(images("b", "1")["acme/b"]))
    releases.damage(bad)
    assert bad in releases.refused(full, 5, "AB-REGISTRY-CONTENT", "--deep")["message"]


def test_what_is_collected_on_the_way_moves_no_tag(releases: Releases, second: Path) -> None:
    trip = releases.trip
    delta = releases.build("two.tar", second)
    dest = trip.dest
    releases.push(trip.path / "one.tar", dest=dest)
    gone = inventory_of(delta).assumed[-1].digest
    tags = trip.inner_tags()
    with gate_before(trip.inner.address) as gate:

        def rule(method: str, target: str) -> int | None:
            # From the first upload on the blob is gone.
            is_late = any("/blobs/uploads/" in asked for _, asked in gate.asked)
            return 404 if is_late and method == "HEAD" and gone in target else None

        gate.rule = rule
        said = trip.push(delta, f"{gate.address}/mirror", "--format", "json")
    assert (said.status, said.json["error"]["code"]) == (5, "AB-REGISTRY-LOST"), said.err
    assert trip.inner_tags() == tags


# Who brought which base


def test_a_delta_for_two_destinations_leaves_out_what_both_hold(releases: Releases) -> None:
    trip = releases.trip
    staging, production = f"dir:{trip.path / 'staging'}", f"dir:{trip.path / 'production'}"
    releases.put("1", images("a", "1"))
    one = releases.build("one.tar")
    first = releases.push(one, dest=production)
    releases.push(one, dest=staging)
    releases.put("2", images("ab", "2", changed="b"))
    second = releases.push(releases.build("two.tar", one), dest=staging)
    releases.put("3", images("ab", "2", changed="b"))
    both = releases.build("three.tar", first, second)
    assert {blob.digest for blob in inventory_of(both).assumed} == layers(images("a", "1")["acme/a"])
    assert inventory_of(releases.build("x.tar", holdings(releases))).assumed == inventory_of(both).assumed
    releases.push(both, dest=production)
    releases.push(both, dest=staging)


def apart(trip: Trip) -> None:
    """A policy in which two products have repositories of their own."""
    text = trip.policy.read_text()
    head, star, rest = text.partition('  "*":')
    named = "".join(
        f"  {name}:\n    require: [release]\n    repositories: ['*/{path}/**']\n"
        for name, path in (("acme", "acme"), ("secret", "secret"))
    )
    lines = rest.splitlines(keepends=True)
    end = next((n for n, line in enumerate(lines) if n and not line.startswith("    ")), len(lines))
    trip.policy.write_text(head + named + "".join(lines[end:]))
    assert star


def test_what_the_policy_keeps_apart_is_neither_looked_for_nor_mounted(releases: Releases) -> None:
    """The author of a delta knows the digest of a layer of another product, and wants it among their own images."""
    trip = releases.trip
    apart(trip)
    releases.put("1", {"secret/store": single_image("kept secret", base="shared")}, name="secret")
    theirs = releases.build("secret.tar", name="secret")
    releases.push(theirs, dest=f"{trip.inner.address}/mirror")
    releases.put("1", {"acme/a": single_image("kept secret", base="shared")})
    delta = releases.build("delta.tar", theirs)
    assert inventory_of(delta).assumed
    with gate_before(trip.inner.address) as gate:
        # The ledger knows the registry by the other name: both ways to the same content.
        for front in (gate.address, trip.inner.address):
            said = trip.push(delta, f"{front}/mirror", "--format", "json")
            assert (said.status, said.json["error"]["code"]) == (4, "AB-BUNDLE-BASE"), said.err
            assert "airgap-import holdings acme -o FILE" in said.json["error"]["hint"]
        assert gate.count("HEAD", "/secret/") == 0
    assert "mirror/airgap-receipts/acme" not in catalogue(trip.inner)


def test_nor_is_it_where_a_receipt_in_the_destination_says_that_it_is_ours(releases: Releases) -> None:
    """Receipts there are nobody's word: whoever may write them could name any repository."""
    trip = releases.trip
    apart(trip)
    image = single_image("kept secret", base="shared")
    releases.put("1", {"secret/store": image}, name="secret")
    theirs = releases.build("secret.tar", name="secret")
    receipt = parse_receipt(releases.push(theirs, dest=trip.dest).read_bytes())
    with client(trip.inner.address) as registry:
        forged = replace(receipt, product="acme", sequence=1)
        assert keep_receipt(registry, "mirror", "acme", forged.id, dump_receipt(forged))
        releases.put("1", {"acme/a": image})
        said = trip.push(releases.build("delta.tar", theirs), "", "--format", "json")
    assert (said.status, said.json["error"]["code"]) == (4, "AB-BUNDLE-BASE"), said.err


def test_holdings_of_another_product_elsewhere_do_not_count(releases: Releases, second: Path) -> None:
    trip = releases.trip
    releases.put("1", images("z", "1"), name="other")
    other = releases.build("other.tar", name="other")
    elsewhere = f"dir:{trip.path / 'elsewhere'}"
    releases.push(other, dest=elsewhere)
    said = releases.plan(holdings(releases))
    assert said.json["bundleId"] == releases.plan(second).json["bundleId"]
    assert f"acme was not imported to {elsewhere}" in " ".join(said.err.split())


def test_a_receipt_that_lists_no_blobs_still_saves_what_did_not_change(releases: Releases, second: Path) -> None:
    """Receipts of earlier versions."""
    value = json.loads(second.read_bytes())
    del value["content"]
    old = releases.trip.path / "old.json"
    old.write_bytes(json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode())
    said = releases.plan(old)
    unchanged = images("bc", "1")
    assert said.json["leftOut"]["blobs"] == len(layers(*unchanged.values()))
    assert "only unchanged images are left out" in " ".join(said.err.split())
    releases.push(releases.build("two.tar", old))


def test_a_base_that_lies_about_sizes_makes_the_bundle_larger(releases: Releases, second: Path) -> None:
    value = json.loads(second.read_bytes())
    for place in value["content"]:
        place["blobs"] = {digest: size + 1 for digest, size in place["blobs"].items()}
    lying = releases.trip.path / "lying.json"
    lying.write_bytes(json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode())
    said = releases.plan(lying)
    assert said.json["bundleId"] == releases.plan().json["bundleId"]
    assert "another size than here" in " ".join(said.err.split())


def test_a_base_that_lies_about_what_is_there_makes_a_bundle_that_is_refused(releases: Releases, second: Path) -> None:
    value = json.loads(holdings(releases).read_bytes())
    new = releases.plan().json
    (everything,) = value["destinations"]
    full = inventory_of(releases.build("full.tar"))
    everything["blobs"] = sorted(
        ({"digest": blob.digest, "size": blob.size} for blob in full.blobs), key=lambda one: str(one["digest"])
    )
    lying = releases.trip.path / "lying.json"
    lying.write_bytes(json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n")
    delta = releases.build("two.tar", lying)
    # Documents and configs travel whatever it says.
    assert len(inventory_of(delta).blobs) == 6
    assert new["blobs"] > 6
    error = releases.refused(delta, 4, "AB-BUNDLE-BASE")
    assert "lacks 1 blob" in error["message"]
    assert second.stem in error["message"]


# Deltas that nobody of ours has built


def _sign(data: bytes) -> list[SignatureFile]:
    return [SignatureFile(name=f"openpgp-{keys().release}.sig", data=keys().home.sign(data, keys().release))]


def given(releases: Releases, leave_out: Digest, size: int | None = None) -> Path:
    """A signed bundle of one image from which one blob is left out."""
    parts = parts_of({("library/app", "1.0"): single_image("app")})
    kept = tuple(blob for blob in parts.inventory.blobs if blob.digest != leave_out)
    (gone,) = set(parts.inventory.blobs) - set(kept)
    parts = replace(parts, blobs={digest: data for digest, data in parts.blobs.items() if digest != leave_out})
    parts = parts.with_inventory(
        blobs=kept, assumed=(replace(gone, size=gone.size if size is None else size),), base=(Digest.of(b"base"),)
    )
    return parts.signed_by(_sign).write(releases.trip.path / "given.tar")


def test_a_config_may_not_be_left_out(releases: Releases) -> None:
    config = single_image("app").root.config
    assert config is not None
    error = releases.refused(given(releases, config.digest), 4, "AB-BUNDLE-INCOMPLETE")
    assert config.digest in error["message"]


def test_a_size_that_is_not_that_of_the_image_is_refused(releases: Releases) -> None:
    (*_, layer) = single_image("app").root.layers
    error = releases.refused(given(releases, layer.digest, layer.size + 1), 4, "AB-BUNDLE-INCOMPLETE")
    assert layer.digest in error["message"]


def test_a_document_of_an_index_may_not_be_left_out(releases: Releases) -> None:
    image = multi_arch_image("app")
    child = image.root.children[0].descriptor.digest
    parts = parts_of({("library/app", "1.0"): image})
    kept = tuple(blob for blob in parts.inventory.blobs if blob.digest != child)
    gone = tuple(blob for blob in parts.inventory.blobs if blob.digest == child)
    parts = replace(parts, blobs={digest: data for digest, data in parts.blobs.items() if digest != child})
    parts = parts.with_inventory(blobs=kept, assumed=gone, base=(Digest.of(b"base"),))
    bundle = parts.signed_by(_sign).write(releases.trip.path / "given.tar")
    assert child in releases.refused(bundle, 4, "AB-BUNDLE-INCOMPLETE")["message"]


# Repositories that are only hoped for


def test_a_repository_that_may_not_be_read_is_no_base_and_no_obstacle(releases: Releases, second: Path) -> None:
    trip = releases.trip
    delta = releases.build("two.tar", second)
    releases.push(trip.path / "one.tar", dest=trip.dest)
    with gate_before(trip.inner.address) as gate:
        # To the ledger the gate is another registry; what it let through before counts as imported there.
        releases.push(trip.path / "one.tar", dest=f"{gate.address}/old")
        gate.rule = lambda method, target: 403 if method in {"HEAD", "GET"} and "/v2/old/" in target else None
        said = trip.push(delta, f"{gate.address}/new", "--format", "json")
        assert (said.status, said.json["error"]["code"]) == (4, "AB-BUNDLE-BASE"), said.err
        gate.rule = lambda _method, _target: None
        assert trip.pushed(delta, f"{gate.address}/new")["blobs"]["mounted"] > 0


def test_wrong_bytes_of_the_destination_are_not_blamed_on_the_bundle(releases: Releases, second: Path) -> None:
    """A registry that cannot mount, and whose storage is damaged."""
    trip = releases.trip
    delta = releases.build("two.tar", second)
    bad = inventory_of(delta).assumed[0].digest
    rules = "location ~ ^/v2/.+/blobs/uploads/$ { proxy_pass http://@BACKEND@$uri; }"
    with (
        embedded_registry(releases.registry) as inner,
        nginx_before(inner.address, trip.path / "n", rules=rules) as front,
    ):
        releases.push(trip.path / "one.tar", dest=f"{front.address}/old")
        releases.damage(bad)
        said = trip.push(delta, f"{front.address}/new", "--format", "json")
    assert said.status == 5, said.err
    assert bad in said.json["error"]["message"]
    assert "damaged" in said.json["error"]["hint"]
    assert all(not repository.startswith("new/") for repository, _ in content_names(releases.registry))


def content_names(path: Path) -> list[tuple[str, str]]:
    """Repository and tag of everything that a cluster could use."""
    registry = DirectoryRegistry(path, make=False)
    names = (str(links.parent.relative_to(path / "repositories")) for links in path.glob("repositories/**/_tags"))
    return [
        (name, tag)
        for name in names
        for tag in registry.list_tags(name)
        if "airgap-receipts" not in name and not tag.startswith("airgap-")
    ]


def test_volumes_are_a_base_as_the_bundle_is_that_they_are_cut_from(releases: Releases, second: Path) -> None:
    volumes = releases.trip.path / "medium"
    volumes.mkdir()
    releases.put("1", images("abc", "1"))
    size = (releases.trip.path / "one.tar").stat().st_size
    said = run(
        "airgap-export", "cut", releases.trip.path / "one.tar", "-o", volumes, "--volume-size", f"{size // 2 + 1}"
    )
    assert said.status == 0, said.err
    releases.put("2", images("abc", "2", changed="a"))
    expected = releases.plan(second).json["bundleId"]
    assert releases.plan(volumes).json["bundleId"] == expected
    assert releases.plan(next(volumes.glob("*.001"))).json["bundleId"] == expected


def test_a_base_that_is_newer_than_the_lock_is_remarked_on(releases: Releases) -> None:
    releases.put("1", images("a", "1"))
    files = {file: file.read_bytes() for file in releases.trip.path.glob("acme*.yaml")}
    releases.put("2", images("a", "2", changed="a"))
    receipt = releases.push(releases.build("two.tar"))
    for file, data in files.items():
        file.write_bytes(data)
    said = releases.plan(receipt, receipt)
    assert "acme 2 is inside, which is newer than this lock" in " ".join(said.err.split())
    assert said.json["leftOut"]["blobs"] == 1


def test_without_its_ledger_the_inside_goes_by_the_receipts_in_the_destination(
    releases: Releases, second: Path
) -> None:
    """The ledger was lost, and the images now go below another path: where the base is only DEST can say."""
    trip = releases.trip
    delta = releases.build("two.tar", second)
    trip.state.rename(trip.path / "lost")
    words = ("--map", "**=new/**", "--adopt", "--reason", "the disk broke")
    pushed = trip.pushed(delta, releases.dest, *words)
    assert pushed["blobs"]["mounted"] == 5
    assert pushed["leftOut"]["blobs"] == 3


def test_a_delta_can_be_held_and_published(releases: Releases, second: Path) -> None:
    trip = releases.trip
    receipt = releases.push(releases.build("two.tar", second), "--hold")
    assert {tag for _, tag in content_of(releases.registry)} == {"1"}
    said = run("airgap-import", "publish", receipt.stem, "--policy", trip.policy, "--state", trip.state)
    assert said.status == 0, said.err
    assert {tag for _, tag in content_of(releases.registry)} == {"1", "2"}
    # Both forms of the receipt are a base.
    new = images("abc", "2", changed="a")
    releases.put("3", new)
    assert releases.plan(receipt).json["leftOut"]["blobs"] == len(layers(*new.values()))
