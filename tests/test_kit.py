"""The toolkit crosses: made outside, checked with gpg and sha256sum, installed and used where there is no network."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import pytest
from support.index import use_stand_ins
from support.namespace import unshare, without_network
from support.site import REST, Site
from support.trip import Said, keys, make_trip, run, start

from airgap_bundle import __version__

OWN_WHEEL = f"airgap_bundle-{__version__}-py3-none-any.whl"
KIT = "import sys; from airgap_bundle.cli.export import main; sys.argv = ['', 'kit', '-o', '{}/kit']; main()"
# Nothing of the person's, and no path to the environment that the kit was made in.
BARE = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that is signed, of stand-ins; nothing may change it."""
    place = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        use_stand_ins(place / "index", patch)
        patch.setenv("GNUPGHOME", str(keys().home.path))
        return made(place / "kit", "--sign", f"gpg:{keys().release}")


@pytest.fixture
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    use_stand_ins(tmp_path / "index", monkeypatch)
    return tmp_path / "index"


@pytest.fixture
def signing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GNUPGHOME", str(keys().home.path))


def make(output: Path, *options: object) -> Said:
    return run("airgap-export", "kit", "-o", output, *options)


def made(output: Path, *options: object) -> Path:
    said = make(output, *options)
    assert said.status == 0, said.err
    return output


def content(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


def call(*command: object, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**BARE, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def check_sums(kit: Path) -> subprocess.CompletedProcess[str]:
    return call("sha256sum", "--strict", "--check", "--quiet", "SHA256SUMS", cwd=kit)


def install(kit: Path, environment: Path, *pip: object) -> subprocess.CompletedProcess[str]:
    """As README.txt says, where there is no network; with a pip that is here, or with the one of the kit."""
    assert call(sys.executable, "-m", "venv", "--without-pip", environment).returncode == 0
    python = environment / "bin" / "python"
    program = (python, *pip) if pip else (sys.executable, "-m", "pip", "--python", python)
    words = ("install", "--require-hashes", "--no-index", "--find-links", "wheels", "-r", "requirements.txt")
    return call(*without_network(*program, *words), cwd=kit, PIP_NO_COMPILE="1")


def flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


# --- Made from stand-ins, without a package index -------------------------------------------------------------------


@pytest.mark.tools("sha256sum", "gpg")
def test_a_kit_is_checked_with_gpg_and_sha256sum_alone(kit: Path, tmp_path: Path) -> None:
    assert check_sums(kit).returncode == 0
    home = tmp_path / "inside"
    home.mkdir(mode=0o700)
    gpg = ("gpg", "--homedir", home, "--batch", "--no-autostart")
    assert call(*gpg, "--import", "signing-key.asc", cwd=kit).returncode == 0
    verified = call(*gpg, "--verify", "SHA256SUMS.asc", "SHA256SUMS", cwd=kit)
    assert verified.returncode == 0, verified.stderr
    assert 'Good signature from "Release <release@example.com>"' in verified.stderr
    shown = call(*gpg, "--show-keys", "--with-fingerprint", "signing-key.asc", cwd=kit).stdout
    assert keys().release.upper() in shown.replace(" ", "")
    shutil.copy(kit / "SHA256SUMS", tmp_path / "sums")
    flip(tmp_path / "sums")
    assert call(*gpg, "--verify", kit / "SHA256SUMS.asc", tmp_path / "sums").returncode == 1


def test_every_file_is_listed_but_the_list_and_its_signature(kit: Path) -> None:
    listed = {line.split("  ", 1)[1] for line in (kit / "SHA256SUMS").read_text().splitlines()}
    assert set(content(kit)) - listed == {"SHA256SUMS", "SHA256SUMS.asc"}
    assert {"README.txt", "requirements.txt", "LICENCES.txt", "docs/FORMAT.md", "docs/codes/AB-BUG.md"} < listed
    assert "docs/guides/boundary-admin.md" in listed
    assert f"wheels/{OWN_WHEEL}" in listed


@pytest.mark.usefixtures("stand_ins", "signing")
def test_the_same_toolkit_makes_the_same_kit_but_for_the_signature(kit: Path, tmp_path: Path) -> None:
    options = ("--sign", f"gpg:{keys().release}", "--python-version", f"3.{sys.version_info.minor}")
    said = make(tmp_path / "again", *options, "--format", "json")
    assert said.status == 0, said.err
    assert said.json["signedBy"] == keys().release
    assert said.json["sha256sums"] == hashlib.sha256((kit / "SHA256SUMS").read_bytes()).hexdigest()
    one, other = content(kit), content(tmp_path / "again")
    assert {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)} <= {"SHA256SUMS.asc"}


def test_the_page_for_the_person_inside_fits_a_terminal_and_names_what_is_there(kit: Path) -> None:
    text = (kit / "README.txt").read_text()
    assert max(map(len, text.splitlines())) <= 80
    assert keys().release not in text.lower()
    for name in ("SHA256SUMS.asc", "signing-key.asc", "requirements.txt", "wheels/", "docs/", "LICENCES.txt"):
        assert name in text
        assert (kit / name).exists()
    assert f"wheels/pip-{metadata.version('pip')}-py3-none-any.whl/pip install" in text


@pytest.mark.usefixtures("stand_ins")
def test_an_unsigned_kit_in_a_directory_that_was_empty_says_so_to_both_sides(tmp_path: Path) -> None:
    (tmp_path / "kit").mkdir()
    said = make(tmp_path / "kit")
    assert said.status == 0
    assert "is unsigned" in said.err
    assert hashlib.sha256((tmp_path / "kit" / "SHA256SUMS").read_bytes()).hexdigest() in said.out
    assert "NOT SIGNED" in (tmp_path / "kit" / "README.txt").read_text()
    assert not (tmp_path / "kit" / "signing-key.asc").exists()


@pytest.mark.tools("sha256sum")
@pytest.mark.parametrize("name", [OWN_WHEEL, f"sigstore-{metadata.version('sigstore')}-py3-none-any.whl"])
def test_a_flipped_byte_in_a_wheel_is_found_by_sha256sum_and_by_pip(kit: Path, tmp_path: Path, name: str) -> None:
    damaged = Path(shutil.copytree(kit, tmp_path / "kit"))
    flip(damaged / "wheels" / name)
    checked = check_sums(damaged)
    assert checked.returncode == 1
    assert checked.stdout == f"wheels/{name}: FAILED\n"
    done = install(damaged, tmp_path / "environment")
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr
    assert not (tmp_path / "environment" / "bin" / "airgap-import").exists()


def test_a_kit_installs_with_pip_and_nothing_else(kit: Path, tmp_path: Path) -> None:
    done = install(kit, tmp_path / "environment")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "environment" / "bin" / "airgap-import").exists()


@pytest.mark.tools("sha256sum")
def test_the_next_kit_crosses_inside_a_bundle(kit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with make_trip(tmp_path, monkeypatch) as trip:
        shutil.copytree(kit, tmp_path / "kit")
        trip.write_manifest("files:", "  - {path: kit, as: kit}")
        said = trip.push(trip.build(), "", "--files-to", tmp_path / "out")
    assert said.status == 0, said.err
    assert content(tmp_path / "out" / "kit") == content(kit)
    assert check_sums(tmp_path / "out" / "kit").returncode == 0


# --- Refusals -------------------------------------------------------------------------------------------------------


def test_a_directory_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "kit").mkdir()
    (tmp_path / "kit" / "mine").write_text("mine")
    said = make(tmp_path / "kit")
    assert (said.status, "AB-USAGE-OUTPUT-EXISTS" in said.err) == (2, True)
    assert content(tmp_path / "kit") == {"mine": b"mine"}


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        (("--platform", "win_amd64"), 2, "AB-USAGE-KIT-PLATFORM"),
        (("--python-version", "3.9"), 2, "AB-USAGE-KIT-PYTHON"),
        (("--with", "s4"), 2, "AB-USAGE-KIT-EXTRA"),
        (("--sign", "keyless"), 2, "AB-USAGE-KIT-SIGN"),
        (("--sign", "gpg:a@example.com", "--sign", "gpg:b@example.com"), 2, "AB-USAGE-KIT-SIGN"),
        (("--sign", "gpg:nobody@example.com"), 2, "AB-GPG-KEY"),
        (("--standalone", "--platform", "linux/s390x"), 2, "AB-USAGE-KIT-STANDALONE"),
    ],
)
@pytest.mark.usefixtures("signing")
def test_what_cannot_be_is_refused_before_anything_is_fetched(
    tmp_path: Path, options: tuple[str, ...], status: int, code: str
) -> None:
    said = make(tmp_path / "kit", *options, "--format", "json")
    assert (said.status, json.loads(said.out)["error"]["code"]) == (status, code)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["nowhere/kit", "file/kit"])
def test_a_place_that_is_not_there_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    assert make(tmp_path / place).status == 2


def test_an_index_that_does_not_answer_is_named_as_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{closed.getsockname()[1]}/simple")
        monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
        said = make(tmp_path / "kit")
    assert (said.status, "AB-KIT-INDEX" in said.err) == (5, True), said.err
    assert list(tmp_path.iterdir()) == []


def test_a_dependency_without_a_wheel_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_stand_ins(tmp_path / "index", monkeypatch, without=["rich"])
    said = make(tmp_path / "kit", "--platform", "linux/s390x")
    assert (said.status, "AB-KIT-NO-WHEEL" in said.err) == (5, True), said.err
    assert (
        f"no wheel of rich=={metadata.version('rich')} for Python 3.{sys.version_info.minor} on linux/s390x"
        in said.text
    )
    assert [path.name for path in tmp_path.iterdir()] == ["index"]


@pytest.mark.tools("sh", "mount")
@pytest.mark.usefixtures("stand_ins")
def test_a_full_disk_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    if not unshare():
        pytest.skip("this machine allows no namespaces")
    small = tmp_path / "small"
    small.mkdir()
    code = KIT.format(small)
    script = 'mount -t tmpfs -o size=1M tmpfs "$1" && { "$2" -c "$3"; s=$?; ls -A "$1"; exit $s; }'
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, "sh", small, sys.executable, code],
        capture_output=True,
        text=True,
        check=False,
    )
    if "mount:" in done.stderr:
        pytest.skip("this machine allows no mounts")
    assert (done.returncode, "AB-HOST-SPACE" in done.stderr) == (6, True), done.stderr
    assert done.stdout == ""


@pytest.mark.tools("sh", "mount")
@pytest.mark.usefixtures("stand_ins")
def test_a_temporary_directory_without_room_changes_nothing(tmp_path: Path) -> None:
    if not unshare():
        pytest.skip("this machine allows no namespaces")
    code = KIT.format(tmp_path)
    (tmp_path / "full").mkdir()
    script = 'mount -t tmpfs -o size=4k tmpfs "$1" && TMPDIR="$1" exec "$2" -c "$3"'
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, "sh", tmp_path / "full", sys.executable, code],
        capture_output=True,
        text=True,
        check=False,
    )
    if "mount:" in done.stderr:
        pytest.skip("this machine allows no mounts")
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("stand_ins")
def test_a_command_that_is_stopped_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    process = start("airgap-export", "kit", "-o", tmp_path / "place" / "kit", start_new_session=True)
    try:
        deadline = time.monotonic() + 30
        while not list((tmp_path / "place").iterdir()) and time.monotonic() < deadline:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, err
    assert list((tmp_path / "place").iterdir()) == []


# --- For real: from the package index -------------------------------------------------------------------------------


def real_kit(path: Path, *options: str) -> Path:
    """A kit with what the index has; skips where there is none."""
    said = make(path, *options)
    if "AB-KIT-INDEX" in said.err:
        pytest.skip("no package index answers, and a real kit is made from one")
    assert said.status == 0, said.err
    return path


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A boundary, and a bundle that a machine without keys and a person with one have signed."""
    made_site = Site(path=tmp_path)
    made_site.write_policy(REST)
    made_site.bundle("ci", "bob", name="plane.tar")
    (tmp_path / "home").mkdir()
    return made_site


def use_inside(program: list[object], site: Site) -> None:
    """Verify, serve and push with an installed `airgap-import`, with nothing but loopback."""
    bundle, policy = site.path / "plane.tar", site.policy
    home = str(site.path / "home")
    verified = call(*without_network(*program, "verify", bundle, "--policy", policy), HOME=home)
    assert verified.returncode == 0, verified.stderr
    assert "release-ci" in verified.stdout
    words = " ".join(map(str, program))
    log = site.path / "serve.log"
    script = f"""
        {words} serve {site.path}/served --listen 127.0.0.1:5000 --allow-push >{log} 2>&1 & pid=$!
        for n in $(seq 300); do grep -q Serving {log} && break; sleep 0.1; done
        {words} push {bundle} 127.0.0.1:5000/mirror --policy {policy} --state {site.path}/inner-state; status=$?
        kill $pid; wait $pid || status=99
        exit $status
    """
    pushed = call(*without_network("sh", "-c", script, loopback=True, python=sys.executable), HOME=home)
    assert pushed.returncode == 0, pushed.stderr + log.read_text()
    assert "1 tag moved" in pushed.stdout


@pytest.mark.slow
@pytest.mark.tools("gpgv", "sh")
def test_a_real_kit_installs_and_works_where_there_is_no_network(tmp_path: Path, site: Site) -> None:
    kit = real_kit(tmp_path / "kit")
    done = install(kit, tmp_path / "environment", next((kit / "wheels").glob("pip-*.whl")) / "pip")
    assert done.returncode == 0, done.stderr
    program = tmp_path / "environment" / "bin" / "airgap-import"
    use_inside([program], site)
    extra = call(tmp_path / "environment" / "bin" / "airgap-export", "kit", "-o", tmp_path / "second")
    assert (extra.returncode, "AB-KIT-EXTRA" in extra.stderr) == (6, True), extra.stderr


@pytest.mark.slow
def test_a_real_kit_is_for_several_machines_at_once(tmp_path: Path) -> None:
    options = ("--python-version", "3.11", "--python-version", "3.12", "--platform", "linux/amd64")
    kit = real_kit(tmp_path / "kit", *options, "--platform", "linux/arm64")
    names = [path.name for path in (kit / "wheels").glob("pyyaml-*.whl")]
    assert len(names) == 4
    pinned = (kit / "requirements.txt").read_text().partition("pyyaml==")[2].partition("\nreferencing")[0]
    assert pinned.count("--hash=sha256:") == 4


@pytest.mark.proof
@pytest.mark.timeout(1200)
@pytest.mark.tools("gpgv", "sh", "objdump")
def test_the_one_executable_works_without_python_network_and_a_writable_path(tmp_path: Path, site: Site) -> None:
    pytest.importorskip("PyInstaller", reason="PyInstaller, which makes the executable, is not installed")
    kit = real_kit(tmp_path / "kit", "--standalone")
    assert check_sums(kit).returncode == 0
    place = tmp_path / "place"
    place.mkdir()
    shutil.copy2(kit / "airgap", place / "airgap")
    (place / "airgap-import").symlink_to("airgap")
    (place / "airgap").chmod(0o555)
    place.chmod(0o555)
    try:
        began = time.monotonic()
        shown = call(*without_network(place / "airgap", "import", "--help"))
        assert (shown.returncode, time.monotonic() - began < 5) == (0, True), shown.stderr
        use_inside([place / "airgap", "import"], site)
        assert call(place / "airgap-import", "--version").stdout == f"airgap-import {__version__}\n"
        packed = call(place / "airgap", "export", "kit", "-o", tmp_path / "second")
        assert (packed.returncode, "AB-KIT-EXTRA" in packed.stderr) == (6, True), packed.stderr
    finally:
        place.chmod(0o755)
    assert kit.joinpath("kit.json").read_text().count('"glibc": "2.') == 1
    again = real_kit(tmp_path / "again", "--standalone")
    if content(kit / "wheels") != content(again / "wheels"):
        pytest.skip("all of it worked; somebody edited the checkout before it could be made twice from the same")
    assert content(kit) == content(again)
