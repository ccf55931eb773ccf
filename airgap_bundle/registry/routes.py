"""The embedded registry as a WSGI application: which question goes to which answer, and who may ask it.

OCI distribution specification 1.1, section "Endpoints", and Docker's catalogue. Nothing here redirects, and no answer
carries a path of this machine or a traceback.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from airgap_bundle.core.content import ContentMismatchError
from airgap_bundle.core.errors import AirgapError, InvalidValueError
from airgap_bundle.core.oci import check_host, check_repository
from airgap_bundle.registry.admission import Action, Everybody, Page, Presented, Wanted, action_of
from airgap_bundle.registry.blob_routes import BlobRoutes
from airgap_bundle.registry.incoming import BodyError, SlowBodyError
from airgap_bundle.registry.manifest_routes import ManifestRoutes
from airgap_bundle.registry.uploads import TooManyUploadsError, UploadBusyError
from airgap_bundle.registry.wsgi import RefusedError, Reply, Request, json_reply, read_request, refusal, send

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from airgap_bundle.registry.admission import Admission, Caller
    from airgap_bundle.registry.store import DirectoryRegistry
    from airgap_bundle.registry.uploads import Uploads
    from airgap_bundle.registry.wsgi import StartResponse

    # A request, a repository, and what follows it in the path.
    Handler = Callable[[Request, str, str], Reply]

_READING = frozenset({"GET", "HEAD"})
# What our own errors are called in the protocol.
_STORE_CODES = {
    "AB-STORE-INCOMPLETE": (HTTPStatus.BAD_REQUEST, "MANIFEST_BLOB_UNKNOWN"),
    "AB-STORE-MANIFEST": (HTTPStatus.BAD_REQUEST, "MANIFEST_INVALID"),
    "AB-STORE-SIZE": (HTTPStatus.BAD_REQUEST, "SIZE_INVALID"),
    "AB-STORE-DIGEST": (HTTPStatus.BAD_REQUEST, "DIGEST_INVALID"),
    "AB-STORE-SPACE": (HTTPStatus.INSUFFICIENT_STORAGE, "DENIED"),
}
_STORE_WORDS = {
    "MANIFEST_BLOB_UNKNOWN": "the manifest names something that the repository does not hold",
    "MANIFEST_INVALID": "the annotations of the manifest are no map of strings",
    "SIZE_INVALID": "the manifest gives another size than that of the blob",
    "DIGEST_INVALID": "the content has another digest",
    "DENIED": "the registry has no room left",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Route:
    pattern: re.Pattern[str]
    handlers: Mapping[str, Handler]
    uploading: bool
    # What a caller has to be admitted to where no repository is meant.
    general: Action


class RegistryApplication:
    """The WSGI application over one registry directory. Safe for many threads.

    Without `allow_push` it only answers questions, and refuses every other method before it looks at anything.
    `admission` decides about each question that is left. `pages` are further routes, by path.
    """

    def __init__(
        self,
        registry: DirectoryRegistry,
        uploads: Uploads,
        *,
        allow_push: bool,
        admission: Admission | None = None,
        pages: Mapping[str, Page] | None = None,
    ) -> None:
        self._storage = registry.storage
        self._allow_push = allow_push
        self._admission = admission or Everybody()
        self._pages = dict(pages or {})
        blobs = BlobRoutes(registry.storage, uploads, self._may_pull, refreshes=allow_push)
        manifests = ManifestRoutes(registry, refreshes=allow_push)
        read, push = manifests.read, manifests.push
        self._routes = (
            _route(r"/v2/?()()", GET=_version, HEAD=_version),
            _route(r"/v2/_catalog()()", general=Action.LIST, GET=manifests.catalogue),
            _route(r"/v2/(.+)/tags/list()", GET=manifests.tags),
            _route(r"/v2/(.+)/manifests/([^/]+)", GET=read, HEAD=read, PUT=push, DELETE=manifests.delete),
            _route(r"/v2/(.+)/referrers/([^/]+)", GET=manifests.referrers),
            _route(r"/v2/(.+)/blobs/uploads/?()", uploading=True, POST=blobs.start),
            _route(
                r"/v2/(.+)/blobs/uploads/([^/]+)",
                uploading=True,
                GET=blobs.status,
                PATCH=blobs.append,
                PUT=blobs.finish,
                DELETE=blobs.cancel,
            ),
            _route(r"/v2/(.+)/blobs/([^/]+)", GET=blobs.read, HEAD=blobs.read, DELETE=blobs.delete),
        )

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        try:
            reply = self._answer(read_request(environ))
        except RefusedError as error:
            reply = refusal(error)
        return send(reply, start_response, head=environ["REQUEST_METHOD"] == "HEAD")

    def _answer(self, request: Request) -> Reply:
        try:
            return self._dispatch(request)
        except BodyError as error:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "SIZE_INVALID", str(error)) from error
        except SlowBodyError as error:
            raise RefusedError(HTTPStatus.REQUEST_TIMEOUT, "BLOB_UPLOAD_INVALID", str(error)) from error
        except ContentMismatchError as error:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "DIGEST_INVALID", str(error)) from error
        except TooManyUploadsError as error:
            whose = "this login or address has" if error.is_share else "there are"
            message = f"{whose} too many uploads under way; finish or cancel some"
            headers = [("Retry-After", "10")]
            raise RefusedError(HTTPStatus.TOO_MANY_REQUESTS, "TOOMANYREQUESTS", message, headers=headers) from error
        except UploadBusyError as error:
            message = "another request is writing to this upload"
            raise RefusedError(HTTPStatus.CONFLICT, "BLOB_UPLOAD_INVALID", message) from error
        except AirgapError as error:
            raise _internal(error) from error

    def _dispatch(self, request: Request) -> Reply:
        page = self._pages.get(request.path)
        if page is not None:
            return self._turn_to(request, page)
        for route in self._routes:
            match = route.pattern.fullmatch(request.path)
            if match is not None:
                return self._handle(request, route, match[1], match[2])
        raise RefusedError(HTTPStatus.NOT_FOUND, "UNSUPPORTED", "there is nothing at this address")

    def _turn_to(self, request: Request, page: Page) -> Reply:
        if request.method not in page.methods:
            raise _meaningless(page.methods)
        if page.wanted is not None:
            self._admit(request, page.wanted)
        return page.answer(request)

    def _handle(self, request: Request, route: _Route, name: str, rest: str) -> Reply:
        handler = route.handlers.get(request.method)
        if request.method not in _READING and not self._allow_push:
            headers = [("Allow", "GET, HEAD")]
            message = "this registry is read-only: it is served without permission to push"
            raise RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, "UNSUPPORTED", message, headers=headers)
        if handler is None:
            raise _meaningless(route.handlers)
        if not name:
            caller = self._admit(request, Wanted(repository=None, action=route.general))
            reply = handler(request, "", rest)
            challenges = tuple(("WWW-Authenticate", challenge) for challenge in caller.challenges)
            return replace(reply, headers=(*reply.headers, *challenges))
        repository, either = self._repository(request, name)
        action = action_of(request.method, uploading=route.uploading)
        self._admit(request, Wanted(repository=repository, action=action, either=either))
        return handler(request, repository, rest)

    def _admit(self, request: Request, wanted: Wanted) -> Caller:
        try:
            caller = self._admission.admit(Presented.by(request), wanted)
        except RefusedError as error:
            request.note_caller(error.caller)
            raise
        request.note_caller(caller.name)
        return caller

    def _may_pull(self, request: Request, repository: str) -> bool:
        """Whether the one who pushes here may read there too: what is mounted is read."""
        try:
            self._admission.admit(Presented.by(request), Wanted(repository=repository, action=Action.PULL))
        except RefusedError:
            return False
        return True

    def _repository(self, request: Request, name: str) -> tuple[str, tuple[str, ...]]:
        """The repository that is meant: that below the host in `?ns=`, or where it is not there the one of that name.

        With `?ns=` both of them as well.

        In this order, so that nobody takes the place of a mirrored host by pushing to a name that looks like its own.
        """
        try:
            check_repository(name)
        except InvalidValueError as error:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "NAME_INVALID", "not a repository name") from error
        host = request.first("ns")
        if host is None:
            return name, ()
        if request.method not in _READING:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "UNSUPPORTED", "`ns` is for pulls only")
        try:
            below = check_repository(f"{check_host(host).lower().replace(':', '_')}/{name}")
        except InvalidValueError as error:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "NAME_INVALID", "`ns` is not a registry host") from error
        return below if self._storage.has_repository(below) else name, (below, name)


def _route(pattern: str, *, uploading: bool = False, general: Action = Action.PULL, **handlers: Handler) -> _Route:
    return _Route(pattern=re.compile(pattern), handlers=handlers, uploading=uploading, general=general)


def _meaningless(methods: Iterable[str]) -> RefusedError:
    headers = [("Allow", ", ".join(sorted(methods)))]
    return RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, "UNSUPPORTED", "this method means nothing here", headers=headers)


def _version(request: Request, repository: str, rest: str) -> Reply:  # noqa: ARG001 - the shape of every handler
    return json_reply({})


def _internal(error: AirgapError) -> RefusedError:
    """What a client is told of trouble on this side: its kind, and nothing of this machine."""
    status, code = _STORE_CODES.get(error.code, (HTTPStatus.INTERNAL_SERVER_ERROR, "UNKNOWN"))
    return RefusedError(status, code, _STORE_WORDS.get(code, f"the registry is in trouble ({error.code})"))
