"""Objects in a store: signed by the library, read by our own HTTP."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from typing import TYPE_CHECKING

import pytest
from support.object_store import ObjectStore, object_store
from support.range_server import RangeServer
from support.trip import Trip, make_trip, run

from airgap_bundle.core.errors import AirgapError, UsageError
from airgap_bundle.transfer.access import Access, StoreOptions
from airgap_bundle.transfer.remote.address import BucketAddress
from airgap_bundle.transfer.remote.opening import open_remote
from airgap_bundle.transfer.remote.s3 import BucketPlace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MIB = 1024 * 1024
OBJECT = BucketAddress(bucket="deliveries", key="acme/1.0 ü.tar")


@pytest.fixture(autouse=True)
def lonely(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """No settings of the person who runs the tests."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    found = object_store()
    for name, value in found.environment.items():
        monkeypatch.setenv(name, value)
    return found


@pytest.fixture
def trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trip]:
    with make_trip(tmp_path, monkeypatch) as made:
        yield made


def place(*, now: list[float] | None = None, **options: object) -> BucketPlace:
    clock = now if now is not None else [0.0]
    return BucketPlace(OBJECT, StoreOptions(**options), ("store.example",), lambda: clock[0])  # type: ignore[arg-type]  # by name


def failed(said: object) -> tuple[int, str]:
    return said.status, said.json["error"]["code"]  # type: ignore[attr-defined]  # what `run` returns


def test_a_push_from_a_bucket_and_again(trip: Trip, store: ObjectStore) -> None:
    image = trip.one_image(size=3 * MIB)
    address = store.put("deliveries/acme 1.0.tar", trip.build())
    pushed = trip.pushed(address)
    assert (pushed["bundle"], pushed["tagsMoved"]) == (address, 1)
    assert trip.inside("acme/app", "1.0") == image.digest
    assert trip.pushed(address)["blobs"]["pushed"] == 0
    verified = run("airgap-import", "verify", address, "--policy", trip.policy, "--format", "json")
    assert verified.status == 0, verified.err


def test_an_object_that_is_replaced_is_noticed(tmp_path: Path, store: ObjectStore) -> None:
    data = hashlib.sha256(b"seed").digest() * 100_000
    (tmp_path / "file").write_bytes(data)
    address = store.put("acme.tar", tmp_path / "file")
    with open_remote(address, Access()) as medium:
        buffer = memoryview(bytearray(64))
        assert medium.read_at(3 * MIB, buffer) == 64
        assert bytes(buffer) == data[3 * MIB :][:64]
        bucket = address.split("/")[2]
        store.client().put_object(Bucket=bucket, Key="acme.tar", Body=data[::-1])
        with pytest.raises(AirgapError) as caught:
            medium.read_at(2 * MIB, buffer)
    assert caught.value.code == "AB-URL-CHANGED"


def test_what_is_not_there_is_said_in_the_words_of_the_store(trip: Trip, store: ObjectStore) -> None:
    trip.one_image()
    address = store.put("acme.tar", trip.build())
    for wrong, words in ((f"{address}.gz", "NoSuchKey"), ("s3://no-such-bucket-here/acme.tar", "NoSuchBucket")):
        said = run("airgap-import", "inspect", wrong, "--format", "json")
        assert failed(said) == (5, "AB-URL-NOT-FOUND")
        assert words in said.json["error"]["message"]
        assert "AKID" not in said.out + said.err
        assert "Signature" not in said.out + said.err


def test_the_endpoint_is_an_option_too(trip: Trip, store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    trip.one_image()
    address = store.put("acme.tar", trip.build())
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    said = run("airgap-import", "inspect", address, "--s3-endpoint", store.endpoint, "--format", "json")
    assert said.status == 0, said.err


def test_credentials_come_from_the_files_of_a_profile(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (home / ".aws").mkdir()
    (home / ".aws" / "credentials").write_text(
        "[carrier]\naws_access_key_id = AKIDOFCARRIER\naws_secret_access_key = x\naws_session_token = T0KEN\n"
    )
    (home / ".aws" / "config").write_text("[profile carrier]\nregion = eu-central-1\n")
    monkeypatch.setenv("AWS_PROFILE", "carrier")
    found = place()
    assert str(found.origin) == "https://deliveries.s3.eu-central-1.amazonaws.com"
    assert found.target().startswith("/acme/1.0%20%C3%BC.tar?X-Amz-Algorithm=AWS4-HMAC-SHA256&")
    assert "AKIDOFCARRIER" in found.target()
    assert "X-Amz-Security-Token=T0KEN" in found.target()
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(UsageError) as caught:
        place()
    assert caught.value.code == "AB-USAGE-S3"
    assert "nobody" in caught.value.message


def test_without_credentials_it_is_asked_anonymously_and_a_refusal_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else is asked for some: the tests would see a connection that leaves loopback."""
    found = place(endpoint="http://store.example:9000")
    assert found.target() == "/deliveries/acme/1.0%20%C3%BC.tar"
    assert "--s3-ambient" in found.hint(403, "")
    assert "eu-west-1" in found.hint(301, "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    assert place().hint(403, "") == ""


def test_services_are_asked_for_credentials_only_where_that_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from support.scripted_server import ScriptedServer, answer  # noqa: PLC0415 - here only

    words = '{"AccessKeyId": "AKIDAMBIENT", "SecretAccessKey": "x", "Token": "t", "Expiration": "2099-01-01T00:00:00Z"}'
    with ScriptedServer() as service:
        service.always("GET", "/credentials", answer(200, words, content_type="application/json"))
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://{service.address}/credentials")
        assert "AKID" not in place().target()
        assert service.received == []
        assert "AKIDAMBIENT" in place(ambient=True).target()


def test_a_signature_is_made_anew_before_it_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    now = [0.0]
    found = place(now=now)
    made: list[int] = []
    sign = found._sign
    monkeypatch.setattr(found, "_sign", lambda: (made.append(1), sign()))
    now[0] = 500.0
    found.target()
    assert made == []
    now[0] = 700.0
    found.target()
    assert made == [1]


@pytest.mark.parametrize(
    ("endpoint", "code"),
    [("nonsense", "AB-USAGE-S3"), ("http://elsewhere.example", "AB-USAGE-URL-PLAIN-HTTP")],
)
def test_an_endpoint_that_cannot_be_meant_is_refused(endpoint: str, code: str) -> None:
    with pytest.raises(UsageError) as caught:
        place(endpoint=endpoint)
    assert caught.value.code == code


def test_a_signed_address_is_not_shown_where_the_store_points_to(tmp_path: Path) -> None:
    from support.range_server import Fault  # noqa: PLC0415 - here only
    from support.scripted_server import answer  # noqa: PLC0415 - here only

    with RangeServer(data=b"x") as other, RangeServer(data=b"x") as store:
        store.always_fault = Fault(
            reply=answer(307, location=f"{other.url}?X-Amz-Signature=1", x_amz_bucket_region="eu-west-1")
        )
        options = StoreOptions(endpoint=f"http://{store.address}")
        with (
            pytest.raises(AirgapError) as caught,
            open_remote("s3://deliveries/acme.tar", Access(store=options)),
        ):
            pass
        assert caught.value.code == "AB-URL-REDIRECT"
        assert "X-Amz" not in caught.value.message
        assert other.received == []


def test_without_the_library_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "botocore"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "botocore", None)
    with pytest.raises(AirgapError) as caught, contextlib.ExitStack() as stack:
        stack.enter_context(open_remote("s3://deliveries/acme.tar", Access()))
    assert (caught.value.code, caught.value.exit_status) == ("AB-HOST-S3", 6)
    assert "airgap-bundle[s3]" in caught.value.hint
