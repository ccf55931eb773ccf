"""What stands inside as JSON: all of it, in ASCII, and the same twice."""

from __future__ import annotations

import json

from support.inside_reports import DESTINATION, digest, hostile_report, report

from airgap_bundle.output.inside_record import inside_record
from airgap_bundle.output.records import encode


def test_it_holds_what_the_page_shows() -> None:
    document = json.loads(encode(inside_record(report())))
    assert document["version"] == 1
    assert document["made"] == "2026-11-22T12:00:00Z"
    current = document["places"][0]["current"]
    assert (current["release"], current["bundleId"]) == ("1.900", digest("bundle 900"))
    assert [one["signer"] for one in current["signatures"]] == ["alice", "release-ci"]
    assert len(document["places"][0]["items"]) == 3
    assert document["places"][0]["change"]["changed"][3] == {
        "path": "docker.io/acme/new",
        "before": None,
        "after": "4",
    }
    assert document["places"][1] == {
        "product": "other",
        "destination": DESTINATION,
        "current": None,
        "items": [],
        "hosts": [],
        "waiting": [],
        "change": None,
    }
    assert document["audit"]["whole"] is True
    assert [one["code"] for one in document["audit"]["refusals"]] == ["AB-TRUST-UNSIGNED", "interrupted"]
    assert [one["kind"] for one in document["endings"]] == ["login", "signer", "bundle", "age", "key"]
    assert [one["found"] for one in document["drift"][0]["found"]] == [digest("old"), None]
    assert document["logins"][1]["lastUsed"] is None
    assert document["store"]["repositories"] == 2


def test_hostile_text_is_text_in_it() -> None:
    text = encode(inside_record(hostile_report()))
    assert text.isascii()
    assert json.loads(text)["problems"][0] == "<script>window.alerts=1</script>"
