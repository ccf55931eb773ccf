"""`README.txt` of a kit: for the person inside, who has no network and may know nothing of this toolkit."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from airgap_bundle.connected.kit.documents import size_of
from airgap_bundle.core.text import count_text, size_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airgap_bundle.connected.kit.standalone import Executable
    from airgap_bundle.connected.kit.targets import Target
    from airgap_bundle.connected.kit.wheels import Wheel

# What every terminal has.
_COLUMNS = 79
_HEAD = """\
airgap-bundle {version}: install it inside
{rule}

This directory installs the toolkit that verifies bundles and loads them into
a registry. It needs no network. {contents}

    README.txt           this page
    SHA256SUMS           the hash of every other file
{signature_files}    requirements.txt     what pip installs, each file pinned by its hash
    wheels/              the toolkit and what it needs
{executable_file}    docs/                guides, the format, a page for every error code
    LICENCES.txt         whose work this is; kit.json says the same for machines


1. Check where it comes from
----------------------------
"""

_SIGNED = """\
    gpg --show-keys --with-fingerprint signing-key.asc

Compare the fingerprint, digit by digit, with one that you were given by other
means: on paper, by telephone, from a colleague. Do not take it from this
medium: whoever changes the files can change the key beside them too.

    gpg --import signing-key.asc
    gpg --verify SHA256SUMS.asc SHA256SUMS

It has to say "Good signature", and below that "Primary key fingerprint:" with
the fingerprint that you compared. The warning that the key is not certified is
expected: gpg does not know that you have checked it.


"""

_UNSIGNED = """\
This kit is NOT SIGNED. Compare the hash of SHA256SUMS itself with one that you
were given by other means:

    sha256sum SHA256SUMS


"""

_CHECK = """\
2. Check that it is whole
-------------------------
    sha256sum --strict --check SHA256SUMS

Every line has to end in OK. (On macOS: shasum -a 256 --strict --check.)


3. Install
----------
"""

_INSTALL = """\
{targets}

    python3 -m venv /opt/airgap-bundle
    /opt/airgap-bundle/bin/pip install --require-hashes --no-index \\
        --find-links wheels -r requirements.txt
    ln -s /opt/airgap-bundle/bin/airgap-import /usr/local/bin/

pip refuses every file whose hash is not the one in requirements.txt. Where the
first command fails for want of "ensurepip" or "python3-venv", use the pip that
lies in this kit:

    python3 -m venv --without-pip /opt/airgap-bundle
    /opt/airgap-bundle/bin/python wheels/{pip}/pip install \\
        --require-hashes --no-index --find-links wheels -r requirements.txt

"""

_STANDALONE = """\
Or without Python: {file} is one executable with Python {python} inside
({size}), for {platform}{glibc}.

    install -m 755 {file} /usr/local/bin/{file}
    {file} import --help

    ln -s {file} /usr/local/bin/airgap-import      # if you want the usual names

At each start it unpacks itself below $TMPDIR (else /tmp), which needs {unpacked}
for that time and has to allow programs. "failed to map segment" means that it
does not (noexec), "Failed to extract" that it is full: set TMPDIR to another
directory, such as one of your own or /dev/shm.

"""

_FIRST = """\
4. Verify and load the first bundle
-----------------------------------
gpgv has to be there (Debian, Ubuntu: package gpgv; RHEL: gnupg2). release.asc
is the key that bundles are signed with; check its fingerprint like that above.

    airgap-import policy init --openpgp release.asc -o policy.yaml
    airgap-import verify BUNDLE.tar --policy policy.yaml
    airgap-import serve /srv/registry --allow-push &      # or your own registry
    airgap-import push BUNDLE.tar 127.0.0.1:5000 --policy policy.yaml

airgap-import explain boundary-admin goes on from here (docs/guides/ has it and
the other guides); airgap-import explain CODE prints the page of an error, which
is also in docs/codes/.


The next version
----------------
can come inside a bundle: put this directory into a manifest as
`files: [{{path: kit, as: kit}}]`, and take it out with push --files-to DIR.
What verified it is then the toolkit that you have installed already.
"""


def readme_text(
    version: str, targets: Sequence[Target], wheels: Sequence[Wheel], executable: Executable | None, *, signed: bool
) -> str:
    """The whole page."""
    title = f"airgap-bundle {version}: install it inside"
    pip = next(wheel.file for wheel in wheels if wheel.name == "pip")
    names = {
        "version": version,
        "rule": "=" * len(title),
        "contents": f"It holds {count_text(len(wheels), 'wheel')}, {size_of(wheels)}.",
        "signature_files": _listed("SHA256SUMS.asc", "the signature over SHA256SUMS")
        + _listed("signing-key.asc", "the public key to check it with")
        if signed
        else "",
        "executable_file": _listed(executable.file, "one executable with Python inside") if executable else "",
        "targets": textwrap.fill(f"For {', '.join(map(str, targets))}.", _COLUMNS, break_long_words=False),
        "pip": pip,
    }
    parts = [_HEAD, _SIGNED if signed else _UNSIGNED, _CHECK, _INSTALL]
    text = "".join(part.format(**names) for part in parts)
    if executable is not None:
        text += _standalone_text(executable)
    return text + "\n" + _FIRST.format()


def _standalone_text(executable: Executable) -> str:
    return _STANDALONE.format(
        file=executable.file,
        python=executable.python,
        size=size_text(executable.size),
        platform=executable.platform,
        glibc=f" with glibc {executable.glibc} or newer" if executable.glibc else "",
        unpacked=size_text(executable.unpacked),
    )


def _listed(name: str, what: str) -> str:
    return f"    {name:20} {what}\n"
