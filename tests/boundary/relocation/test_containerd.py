"""hosts.toml, as containerd's documentation has it."""

from __future__ import annotations

import tomllib

import pytest
from support.relocation import HOME, image, moves, texts

from airgap_bundle.boundary.relocation.containerd import containerd, directory
from airgap_bundle.boundary.relocation.moves import Home
from airgap_bundle.core.errors import InvalidValueError


def test_a_host_has_the_registry_inside_as_server_and_as_mirror() -> None:
    made = texts(containerd(moves(image("ghcr.io/acme/app:1.0"))).files)
    assert list(made) == ["certs.d/ghcr.io/hosts.toml"]
    url = "https://registry.internal:5000/v2/mirror/ghcr.io"
    how = {"capabilities": ["pull", "resolve"], "override_path": True}
    assert tomllib.loads(made["certs.d/ghcr.io/hosts.toml"]) == {"server": url, **how, "host": {url: how}}


def test_http_and_certificates_are_said_for_the_mirrors_and_for_the_registry_itself() -> None:
    home = Home(host="registry.internal:5000", plain_http=True)
    made = texts(containerd(moves(image("ghcr.io/acme/app:1.0"), home=home)).files)
    assert tomllib.loads(made["certs.d/ghcr.io/hosts.toml"])["server"] == "http://registry.internal:5000/v2/ghcr.io"
    assert (
        tomllib.loads(made["certs.d/registry.internal_5000_/hosts.toml"])["server"] == "http://registry.internal:5000"
    )
    home = Home(host="registry.internal:5000", ca_file="/etc/ssl/internal ca.crt")
    made = texts(containerd(moves(image("ghcr.io/acme/app:1.0"), home=home)).files)
    assert len(made) == 2
    for text in made.values():
        document = tomllib.loads(text)
        assert document["ca"] == "/etc/ssl/internal ca.crt"
        assert [one["ca"] for one in document["host"].values()] == ["/etc/ssl/internal ca.crt"]


def test_what_was_put_at_the_root_keeps_the_path_of_the_interface() -> None:
    made = texts(
        containerd(moves(image("ghcr.io/acme/app:1.0", "acme/app"), home=Home(host="registry.internal"))).files
    )
    document = tomllib.loads(made["certs.d/ghcr.io/hosts.toml"])
    assert document["server"] == "https://registry.internal"
    assert "override_path" not in document


def test_several_paths_of_one_host_are_asked_one_after_the_other_the_most_frequent_first() -> None:
    items = [
        image("ghcr.io/acme/app:1.0"),
        image("ghcr.io/acme/web:1.0"),
        image("ghcr.io/other/job:2", "third/other/job"),
    ]
    output = containerd(moves(*items))
    assert output.unplaced == ()
    (text,) = texts(output.files).values()
    assert list(tomllib.loads(text)["host"]) == [
        "https://registry.internal:5000/v2/mirror/ghcr.io",
        "https://registry.internal:5000/v2/mirror/third",
    ]


def test_an_image_with_another_name_has_no_place_and_is_named_in_the_file_too() -> None:
    output = containerd(moves(image("ghcr.io/acme/app:1.0"), image("ghcr.io/acme/web:1.0", "cache/web2")))
    assert [one.what for one in output.unplaced] == ["ghcr.io/acme/web"]
    assert "# no place here: ghcr.io/acme/web\n" in output.files[0].data.decode()
    alone = containerd(moves(image("ghcr.io/acme/web:1.0", "cache/web2")))
    assert (alone.files, alone.use, len(alone.unplaced)) == ((), "", 1)


def test_an_image_that_another_one_hides_is_named() -> None:
    items = [
        image("ghcr.io/acme/app:1", "ghcr.io/acme/app"),
        image("ghcr.io/acme/web:1", "ghcr.io/acme/web"),
        image("ghcr.io/job/x:1", "odd/job/x"),
        image("quay.io/job/x:1", "ghcr.io/job/x"),
    ]
    (hidden,) = [one for one in containerd(moves(*items)).unplaced if one.what.startswith("ghcr.io")]
    assert hidden.what == "ghcr.io/job/x"
    assert hidden.why == "quay.io/job/x went where containerd looks for it first"


@pytest.mark.parametrize(
    ("host", "expected"),
    [("ghcr.io", "ghcr.io"), ("registry:5000", "registry_5000_"), ("[::1]", "[::1]"), ("[::1]:5000", "[::1]_5000_")],
)
def test_the_directory_of_a_host_is_one_that_containerd_looks_for(host: str, expected: str) -> None:
    assert directory(host) == expected


@pytest.mark.parametrize("path", ['/etc/"\nserver = "https://evil"', "/etc/\x00", "ca.crt", "/etc/ca\\x", "/e\u202etc"])
def test_a_path_that_could_act_is_refused(path: str) -> None:
    with pytest.raises(InvalidValueError):
        Home(host=HOME.host, ca_file=path)
