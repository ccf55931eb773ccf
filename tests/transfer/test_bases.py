"""What several bases say together."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from airgap_bundle.bundle.inventory import BlobEntry
from airgap_bundle.core.content import Digest
from airgap_bundle.transfer.bases import Base, BaseKind, CommonGround, EarlierBundle, Held, find_common_ground

BLOBS = [BlobEntry(digest=Digest.of(bytes([n])), size=n + 1) for n in range(6)]


def bundle(name: str, product: str = "acme") -> EarlierBundle:
    return EarlierBundle(bundle_id=Digest.of(name.encode()), product=product, version="1", sequence=1)


def held(destination: str, *numbers: int, product: str = "acme") -> Held:
    blobs = {BLOBS[n].digest: BLOBS[n].size for n in numbers}
    return Held(destination=destination, bundles=(bundle(f"{destination}{numbers}", product),), blobs=blobs)


def base(*places: Held) -> Base:
    return Base(kind=BaseKind.HOLDINGS, name="holdings.json", unverified_held=places)


def assumable(ground: CommonGround) -> set[int]:
    return {n for n, blob in enumerate(BLOBS) if ground.has(blob)}


def test_at_one_destination_everything_that_any_base_names_counts() -> None:
    assert assumable(find_common_ground([base(held("a", 0, 1)), base(held("a", 2))], "acme")) == {0, 1, 2}


def test_of_several_destinations_only_what_all_hold_counts() -> None:
    assert assumable(find_common_ground([base(held("a", 0, 1), held("b", 1, 2))], "acme")) == {1}


def test_a_bundle_counts_at_every_destination() -> None:
    ground = find_common_ground([base(held("a", 0), held("b", 1)), base(held("", 2))], "acme")
    assert assumable(ground) == {2}


def test_destinations_that_do_not_have_the_product_are_set_aside() -> None:
    ground = find_common_ground([base(held("a", 0), held("b", 1, product="other"))], "acme")
    assert (assumable(ground), ground.destinations, ground.set_aside) == ({0}, ("a",), ("b",))


def test_where_none_has_the_product_all_destinations_count() -> None:
    ground = find_common_ground([base(held("a", 0, 1, product="x"), held("b", 1, product="y"))], "acme")
    assert (assumable(ground), ground.set_aside) == ({1}, ())


def test_no_base_leaves_out_nothing() -> None:
    assert assumable(find_common_ground([], "acme")) == set()


def test_another_size_is_another_blob() -> None:
    one = BlobEntry(digest=BLOBS[0].digest, size=BLOBS[0].size + 1)
    assert not find_common_ground([base(held("a", 0))], "acme").has(one)


def test_only_bundles_that_brought_something_are_named() -> None:
    one, two = held("", 0), held("", 1)
    ground = find_common_ground([base(one), base(two)], "acme")
    assert ground.bundles_of([BLOBS[0]]) == (one.bundles[0].bundle_id,)
    assert ground.bundles_of([]) == ()


_places = st.builds(
    lambda destination, numbers, product: held(destination, *sorted(numbers), product=product),
    st.sampled_from(["", "a", "b"]),
    st.sets(st.integers(0, len(BLOBS) - 1)),
    st.sampled_from(["acme", "other"]),
)


@given(st.lists(st.lists(_places, min_size=1, max_size=2), min_size=1, max_size=3))
def test_the_order_of_bases_changes_nothing(places: list[list[Held]]) -> None:
    bases = [base(*group) for group in places]
    found = {
        (frozenset(assumable(ground)), ground.bundles_of(BLOBS), ground.set_aside)
        for order in itertools.permutations(bases)
        for ground in [find_common_ground(order, "acme")]
    }
    assert len(found) == 1


@given(st.lists(_places, min_size=1, max_size=4))
def test_nothing_is_left_out_that_no_base_names(places: list[Held]) -> None:
    ground = find_common_ground([base(*places)], "acme")
    assert all(any(one.has(BLOBS[n]) for one in places) for n in assumable(ground))
