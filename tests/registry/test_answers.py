from __future__ import annotations

import email.utils
import time

import pytest

from airgap_bundle.registry.answers import quote, refusal, retry_after, warnings


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (
            b'{"errors": [{"code": "A", "message": "b", "detail": "c"}, {"code": "D"}]}',
            "application/json",
            "A: b: c; D",
        ),
        (b'{"errors": [{"code": "A", "message": 7, "detail": {"x": 1}}, 3]}', "application/json", "A"),
        (b'{"error": "invalid_grant", "error_description": "run out"}', "application/json", "invalid_grant: run out"),
        (b'{"details": "incorrect username or password"}', "application/json", "incorrect username or password"),
        (b'{"errors": ', "application/json", ""),
        (b"no such page\nmore", "text/plain; charset=utf-8", "no such page"),
        (b"<html>lots", "text/html", ""),
        (b"<html><head><title>404 Not Found</title>", "text/html", ""),
        (
            b"<title>400 No required SSL certificate was sent</title>",
            "text/html",
            "No required SSL certificate was sent",
        ),
        (b"<title>&lt;b&gt; Sign  in</title>", "text/html; charset=utf-8", "<b> Sign in"),
        (b" " * 5000 + b"<title>late</title>", "text/html", ""),
        (b"\xff\x1b[31m", "text/plain", "\ufffd\x1b[31m"),
        (b"", "application/json", ""),
        (None, "application/json", ""),
    ],
)
def test_the_words_of_a_registry_are_found(body: bytes | None, kind: str, words: str) -> None:
    assert quote(body, kind) == words


@pytest.mark.parametrize(
    ("words", "code", "option"),
    [
        ("No required SSL certificate was sent", "AB-NETWORK-TLS", "--cert-file"),
        ("The SSL certificate error", "AB-NETWORK-TLS", "--key-file"),
        ("The plain HTTP request was sent to HTTPS port", "AB-NETWORK-PLAIN-HTTP", "--ca-file"),
    ],
)
def test_what_a_proxy_says_of_certificates_names_the_option(words: str, code: str, option: str) -> None:
    error = refusal("reach the registry", "a.example", "destination", 400, words)
    assert (error.code, option in error.hint) == (code, True)


def test_words_without_end_are_cut() -> None:
    assert len(quote(b"x" * 10_000, "text/plain")) < 310


def test_a_date_in_retry_after_is_kept_to() -> None:
    soon = email.utils.formatdate(time.time() + 30, usegmt=True)
    pause = retry_after(soon, 60)
    assert pause is not None
    assert 25 < pause <= 30


@pytest.mark.parametrize(("header", "pause"), [("Mon, 01 Jan 2001 00:00:00 GMT", 0.0), ("٣", None), ("", None)])
def test_a_date_that_is_over_means_now_and_nonsense_means_nothing(header: str, pause: float | None) -> None:
    assert retry_after(header, 60) == pause


@pytest.mark.parametrize("status", [400, 403, 409, 413, 429, 500, 507])
def test_a_refusal_names_task_side_host_and_status_and_says_what_to_do(status: int) -> None:
    error = refusal("write a/b:1", "registry.internal", "destination", status, "")
    assert error.message == f"cannot write a/b:1: destination registry.internal answers {status}"
    assert error.hint


def test_only_warnings_for_people_are_shown() -> None:
    headers = ('299 - "moves"', '110 - "stale"', "nonsense", '299 host "' + "x" * 501 + '"')
    assert list(warnings(headers)) == ["moves"]
