"""Signs without a key of one's own: an identity token, a certificate for minutes, and an entry in a public log.

For the connected side alone. The second door to `sigstore`, beside `keyless`, which verifies and never connects; here
the signing service that the configuration names is spoken to, and for the public instance the server of its metadata.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from airgap_bundle.core import strictjson
from airgap_bundle.core.content import Digest
from airgap_bundle.core.errors import DocumentError, InvalidValueError, RegistryError, TrustError, UsageError
from airgap_bundle.trust import keyless
from airgap_bundle.trust.policy_model import KeylessIdentity

if TYPE_CHECKING:
    from collections.abc import Callable

# Certificate, log entry and timestamp take two seconds; a log that is busy takes ten.
SERVICE_SECONDS = 60
# A root with a hundred logs, and the addresses of the services.
MAX_CONFIGURATION_BYTES = 2 * 1024 * 1024
# Tokens of CI systems have 2 KB.
MAX_TOKEN_BYTES = 32 * 1024
_AUDIENCE = "sigstore"

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedKeyless:
    """A Sigstore bundle, and identity and issuer as its certificate has them."""

    data: bytes
    identity: str
    issuer: str

    @property
    def name(self) -> str:
        """What the file is called in a bundle."""
        return keyless.file_name(self.issuer, self.identity)


@dataclass(frozen=True, kw_only=True, slots=True)
class SigningService:
    """A Sigstore instance to sign with. `trusted_root` is what the inside pins to verify what it vouched for."""

    name: str
    trusted_root: bytes = field(repr=False)
    _configuration: Any = field(repr=False)

    def sign(self, data: bytes, token: str) -> SignedKeyless:
        """A signature over `data` by the identity that the token stands for, verified against the service's own root.

        `UsageError` for the token, `RegistryError` where the service fails or does not answer within a minute.
        """
        made = _within(lambda: self._sign(data, token), f"the signing service {self.name}")
        # Whatever the service answered: what cannot be verified inside is no signature. Whom it vouches for is its
        # word, as the identity in the certificate of a CI job is another one than its token's subject.
        try:
            identity, issuer = keyless.read_signer(made, data, name="the new signature")
            who = KeylessIdentity(
                identity=identity,
                issuer=issuer,
                trusted_root_file=self.name,
                trusted_root_digest=Digest.of(self.trusted_root),
            )
            keyless.verify(data, made, who, self.trusted_root, name="the new signature")
        except (TrustError, InvalidValueError) as error:
            raise RegistryError(
                "AB-SIGN-SERVICE",
                f"the signing service {self.name} made a signature that its own root does not verify: {error}",
                hint="compare the trust configuration with the instance",
            ) from error
        return SignedKeyless(data=made, identity=identity, issuer=issuer)

    def browser_token(self) -> str:
        """A token that a person gets by logging in with a browser; waits as long as they need."""
        from sigstore.oidc import Issuer  # noqa: PLC0415 - 300 ms

        try:
            address = self._configuration.signing_config.get_oidc_url()
            return str(Issuer(address).identity_token())
        except _failures() as error:
            raise UsageError(
                "AB-SIGN-IDENTITY", f"nobody logged in to {self.name}: {_said(error)}", hint="run the command again"
            ) from error

    def _sign(self, data: bytes, token: str) -> bytes:
        from sigstore.oidc import IdentityToken  # noqa: PLC0415 - 300 ms
        from sigstore.sign import SigningContext  # noqa: PLC0415 - 300 ms

        try:
            identity = IdentityToken(token)
        except _failures() as error:
            raise UsageError(
                "AB-SIGN-IDENTITY",
                f"the identity token is not one to sign with: {_said(error)}",
                hint=f"it needs the audience {_AUDIENCE}, and lives for minutes only",
            ) from error
        context = SigningContext.from_trust_config(self._configuration)
        with context.signer(identity) as signer:
            return str(signer.sign_artifact(data).to_json()).encode()


def public_service() -> SigningService:
    """The public Sigstore instance, its metadata refreshed by TUF. `RegistryError` where that fails."""
    from sigstore.models import ClientTrustConfig  # noqa: PLC0415 - 300 ms

    name = "sigstore.dev"
    configuration = _within(ClientTrustConfig.production, f"the metadata server of {name}")
    return _service(name, configuration)


def private_service(raw: bytes, name: str) -> SigningService:
    """The instance that a ClientTrustConfig (JSON) describes; `DocumentError` where it is none."""
    from sigstore.models import ClientTrustConfig  # noqa: PLC0415 - 300 ms

    try:
        strictjson.parse_object(raw, max_bytes=MAX_CONFIGURATION_BYTES)
        return _service(name, ClientTrustConfig.from_json(raw.decode()))
    except _failures() as error:
        raise DocumentError(
            "AB-SIGN-CONFIGURATION",
            f"{name} is not a trust configuration: {_said(error)}",
            hint="a ClientTrustConfig in JSON, with `trustedRoot` and `signingConfig`; ask who runs the instance",
        ) from error


def ambient_token() -> str | None:
    """The token that the CI system around this process gives it, None where there is no such system."""
    from sigstore.oidc import detect_credential  # noqa: PLC0415 - 300 ms

    try:
        return _within(lambda: detect_credential(_AUDIENCE), "the identity service of this CI system")
    except RegistryError as error:
        raise UsageError(
            "AB-SIGN-IDENTITY",
            error.message,
            hint="give the job the permission to ask for identity tokens, such as `id-token: write`",
        ) from error


def _service(name: str, configuration: Any) -> SigningService:
    # sigstore keeps the root in a form of its own; this is how it was read.
    root: bytes = configuration.trusted_root._inner.to_json().encode()  # noqa: SLF001 - there is no public way
    keyless.check_trusted_root(root)
    return SigningService(name=name, trusted_root=root, _configuration=configuration)


def _within(work: Callable[[], T], who: str) -> T:
    """What `work` returns. sigstore waits for ever where a server does not answer, so it gets a thread to wait in."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - handed over to who asked
            future.set_exception(error)

    threading.Thread(target=run, name="sigstore", daemon=True).start()
    try:
        return future.result(SERVICE_SECONDS)
    except TimeoutError as error:
        raise RegistryError(
            "AB-SIGN-SERVICE", f"{who} did not answer within {SERVICE_SECONDS} s", hint="run the command again later"
        ) from error
    except _failures() as error:
        raise RegistryError(
            "AB-SIGN-SERVICE", f"{who} failed: {_said(error)}", hint="nothing was signed; check its address and network"
        ) from error


def _failures() -> tuple[type[Exception], ...]:
    """What sigstore and the HTTP library below it raise. Connections that fail are `OSError`."""
    from sigstore import errors  # noqa: PLC0415 - 300 ms
    from sigstore.oidc import ExpiredIdentity, IssuerError  # noqa: PLC0415 - 300 ms

    return (errors.Error, ExpiredIdentity, IssuerError, OSError, ValueError, TypeError, LookupError, AttributeError)


def _said(error: Exception) -> str:
    """One line of what a library says, or the kind of its complaint."""
    return " ".join(str(error).split())[:300] or type(error).__name__
