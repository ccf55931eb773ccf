"""A local Sigstore for tests: Fulcio-like CA + CT log, Rekor v1 and v2-like logs, RFC 3161 TSA.

Own code; needs only `cryptography` and the standard library. Nothing here talks to the network:
`FakeSigstore().sign_blob(...)` gives a v0.3 bundle in-process, and `with FakeSigstore().serve()` puts the
same services on loopback so that an unmodified sigstore-python / cosign can sign against them.

    fs = FakeSigstore()
    bundle = fs.sign_blob(b"data", identity="ci@example.test", issuer="https://issuer.test")
    root = fs.trusted_root_json()             # -> sigstore.models.TrustedRoot.from_file(path)
"""

# ruff: noqa: FBT001, FBT002 - short calls in tests
from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

if TYPE_CHECKING:
    from collections.abc import Iterator

from support.sigstore_authority import Authority
from support.sigstore_codec import (
    BUNDLE_V03,
    CLIENTCFG_V01,
    INTOTO,
    ROOT_V01,
    SIGNCFG_V02,
    b64,
    canonical,
    cert_der,
    cert_pem,
    leaf_hash,
    pae,
    rfc3339,
    spki,
)


class FakeSigstore(Authority):
    """All services of a Sigstore instance in one object."""

    # ------------------------------------------------------------ logs
    def rekor_v1_add(self, proposed: dict[str, Any]) -> dict[str, Any]:
        """POST /api/v1/log/entries: proposed entry -> {uuid: entry}."""
        if proposed["kind"] == "dsse" and "proposedContent" in proposed["spec"]:
            pc = proposed["spec"]["proposedContent"]
            env = json.loads(pc["envelope"])
            proposed = {
                "apiVersion": "0.0.1",
                "kind": "dsse",
                "spec": {
                    "envelopeHash": {
                        "algorithm": "sha256",
                        "value": hashlib.sha256(pc["envelope"].encode()).hexdigest(),
                    },
                    "payloadHash": {
                        "algorithm": "sha256",
                        "value": hashlib.sha256(base64.b64decode(env["payload"])).hexdigest(),
                    },
                    "signatures": [{"signature": s["sig"], "verifier": pc["verifiers"][0]} for s in env["signatures"]],
                },
            }
        body = canonical(proposed)
        e = self.rekor1.append(body)
        entry = {
            "body": b64(body),
            "integratedTime": int(self.clock().timestamp()),
            "logID": self.rekor1.key_id.hex(),
            "logIndex": e["index"],
        }
        set_sig = self.rekor1.sign(canonical(entry))
        entry["verification"] = {
            "signedEntryTimestamp": b64(set_sig),
            "inclusionProof": {
                "checkpoint": e["checkpoint"],
                "hashes": [h.hex() for h in e["path"]],
                "logIndex": e["index"],
                "rootHash": e["root"].hex(),
                "treeSize": e["size"],
            },
        }
        return {f"{int(self.tree_id):016x}{leaf_hash(body).hex()}": entry}

    def rekor_v2_add(self, request: dict[str, Any]) -> dict[str, Any]:
        """POST /api/v2/log/entries: hashedRekordRequestV002 -> TransparencyLogEntry."""
        r = request["hashedRekordRequestV002"]
        body = canonical(
            {
                "apiVersion": "0.0.2",
                "kind": "hashedrekord",
                "spec": {
                    "hashedRekordV002": {
                        "data": {"algorithm": "SHA2_256", "digest": r["digest"]},
                        "signature": r["signature"],
                    }
                },
            }
        )
        e = self.rekor2.append(body)
        return {
            "logIndex": str(e["index"]),
            "logId": {"keyId": b64(self.rekor2.key_id)},
            "kindVersion": {"kind": "hashedrekord", "version": "0.0.2"},
            "inclusionProof": {
                "logIndex": str(e["index"]),
                "rootHash": b64(e["root"]),
                "treeSize": str(e["size"]),
                "hashes": [b64(h) for h in e["path"]],
                "checkpoint": {"envelope": e["checkpoint"]},
            },
            "canonicalizedBody": b64(body),
        }

    @staticmethod
    def v1_to_tlog_entry(response: dict[str, Any]) -> dict[str, Any]:
        (entry,) = response.values()
        proof = entry["verification"]["inclusionProof"]
        body = json.loads(base64.b64decode(entry["body"]))
        return {
            "logIndex": str(entry["logIndex"]),
            "logId": {"keyId": b64(bytes.fromhex(entry["logID"]))},
            "kindVersion": {"kind": body["kind"], "version": body["apiVersion"]},
            "integratedTime": str(entry["integratedTime"]),
            "inclusionPromise": {"signedEntryTimestamp": entry["verification"]["signedEntryTimestamp"]},
            "inclusionProof": {
                "logIndex": str(proof["logIndex"]),
                "rootHash": b64(bytes.fromhex(proof["rootHash"])),
                "treeSize": str(proof["treeSize"]),
                "hashes": [b64(bytes.fromhex(h)) for h in proof["hashes"]],
                "checkpoint": {"envelope": proof["checkpoint"]},
            },
            "canonicalizedBody": entry["body"],
        }

    # ------------------------------------------------------------ bundles
    def sign_blob(
        self,
        data: bytes | None = None,
        *,
        digest: bytes | None = None,
        identity: str,
        issuer: str,
        rekor: int = 1,
        tsa: bool | None = None,
        **cert_args: Any,
    ) -> str:
        digest = digest or hashlib.sha256(data or b"").digest()
        key = ec.generate_private_key(ec.SECP256R1())
        sig = key.sign(digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
        cert = self.issue_cert(key.public_key(), identity, issuer, **cert_args)
        return self._bundle(
            cert,
            digest,
            sig,
            rekor,
            tsa,
            {
                "messageSignature": {
                    "messageDigest": {"algorithm": "SHA2_256", "digest": b64(digest)},
                    "signature": b64(sig),
                }
            },
        )

    def sign_statement(
        self,
        statement: dict[str, Any],
        *,
        identity: str,
        issuer: str,
        rekor: int = 1,
        tsa: bool | None = None,
        **cert_args: Any,
    ) -> str:
        payload = json.dumps(statement, separators=(",", ":")).encode()
        key = ec.generate_private_key(ec.SECP256R1())
        message = pae(INTOTO, payload)
        sig = key.sign(message, ec.ECDSA(hashes.SHA256()))
        cert = self.issue_cert(key.public_key(), identity, issuer, **cert_args)
        env = {"payload": b64(payload), "payloadType": INTOTO, "signatures": [{"sig": b64(sig)}]}
        return self._bundle(cert, hashlib.sha256(message).digest(), sig, rekor, tsa, {"dsseEnvelope": env})

    def _bundle(
        self, cert: x509.Certificate, digest: bytes, sig: bytes, rekor: int, tsa: bool | None, content: dict[str, Any]
    ) -> str:
        if rekor == 1:
            if env := content.get("dsseEnvelope"):
                proposed = {
                    "apiVersion": "0.0.1",
                    "kind": "dsse",
                    "spec": {"proposedContent": {"envelope": json.dumps(env), "verifiers": [b64(cert_pem(cert))]}},
                }
            else:
                proposed = {
                    "apiVersion": "0.0.1",
                    "kind": "hashedrekord",
                    "spec": {
                        "data": {"hash": {"algorithm": "sha256", "value": digest.hex()}},
                        "signature": {"content": b64(sig), "publicKey": {"content": b64(cert_pem(cert))}},
                    },
                }
            entry = self.v1_to_tlog_entry(self.rekor_v1_add(proposed))
        else:
            entry = self.rekor_v2_add(
                {
                    "hashedRekordRequestV002": {
                        "digest": b64(digest),
                        "signature": {
                            "content": b64(sig),
                            "verifier": {
                                "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                                "x509Certificate": {"rawBytes": b64(cert_der(cert))},
                            },
                        },
                    }
                }
            )
        material: dict[str, Any] = {"certificate": {"rawBytes": b64(cert_der(cert))}, "tlogEntries": [entry]}
        if tsa if tsa is not None else rekor == 2:
            material["timestampVerificationData"] = {
                "rfc3161Timestamps": [{"signedTimestamp": b64(self.timestamp_over(sig))}]
            }
        return json.dumps({"mediaType": BUNDLE_V03, "verificationMaterial": material, **content})

    # ------------------------------------------------------------ trust material
    def trusted_root(self) -> dict[str, Any]:
        since = {"start": rfc3339(self.start)}

        def log(url: str, key: Any, key_id: bytes, details: str) -> dict[str, Any]:
            return {
                "baseUrl": url,
                "hashAlgorithm": "SHA2_256",
                "logId": {"keyId": b64(key_id)},
                "publicKey": {"rawBytes": b64(spki(key)), "keyDetails": details, "validFor": since},
            }

        def ca(uri: str, cn: str, *chain: x509.Certificate) -> dict[str, Any]:
            return {
                "subject": {"organization": "fake.test", "commonName": cn},
                "uri": uri,
                "validFor": since,
                "certChain": {"certificates": [{"rawBytes": b64(cert_der(c))} for c in chain]},
            }

        return {
            "mediaType": ROOT_V01,
            "tlogs": [
                log("https://rekor.fake.test", self.rekor1.key, self.rekor1.key_id, "PKIX_ECDSA_P256_SHA_256"),
                log("https://log2.rekor.fake.test", self.rekor2.key, self.rekor2.key_id, "PKIX_ED25519"),
            ],
            "certificateAuthorities": [
                ca("https://fulcio.fake.test", "fake-fulcio-root", self.intermediate, self.root)
            ],
            "ctlogs": [log("https://ctfe.fake.test", self.ct_key, self.ct_id, "PKIX_ECDSA_P256_SHA_256")],
            "timestampAuthorities": [ca("https://tsa.fake.test", "fake-tsa-root", self.tsa_cert, self.tsa_root)],
        }

    def trusted_root_json(self) -> str:
        return json.dumps(self.trusted_root(), indent=1)

    def signing_config(self, rekor: int = 1, tsa: bool = True) -> dict[str, Any]:
        def svc(url: str, major: int = 1) -> dict[str, Any]:
            return {
                "url": url,
                "majorApiVersion": major,
                "operator": "fake.test",
                "validFor": {"start": rfc3339(self.start)},
            }

        return {
            "mediaType": SIGNCFG_V02,
            "caUrls": [svc(self.url)],
            "oidcUrls": [svc(self.url + "/auth")],
            "rekorTlogUrls": [svc(self.url, rekor)],
            "rekorTlogConfig": {"selector": "ANY"},
            "tsaUrls": [svc(self.url + "/api/v1/timestamp")] if tsa else [],
            "tsaConfig": {"selector": "ANY"},
        }

    def client_trust_config_json(self, rekor: int = 1, tsa: bool = True) -> str:
        return json.dumps(
            {
                "mediaType": CLIENTCFG_V01,
                "trustedRoot": self.trusted_root(),
                "signingConfig": self.signing_config(rekor, tsa),
            }
        )

    def id_token(self, identity: str, issuer: str, *, seconds: int = 300, **claims: Any) -> str:
        """A JWT of the right shape. Nobody here checks its signature (clients never do)."""
        now = int(self.clock().timestamp())
        body = {"iss": issuer, "sub": identity, "aud": "sigstore", "iat": now, "exp": now + seconds, **claims}
        if "@" in identity:
            body.setdefault("email", identity)
            body.setdefault("email_verified", True)

        def enc(o: Any) -> str:
            return base64.urlsafe_b64encode(canonical(o)).rstrip(b"=").decode()

        head = f"{enc({'alg': 'ES256', 'typ': 'JWT'})}.{enc(body)}"
        der = self.ct_key.sign(head.encode(), ec.ECDSA(hashes.SHA256()))
        r, s = utils.decode_dss_signature(der)
        return f"{head}.{base64.urlsafe_b64encode(r.to_bytes(32, 'big') + s.to_bytes(32, 'big')).rstrip(b'=').decode()}"

    # ------------------------------------------------------------ loopback services
    def fulcio_signing_cert(self, request: dict[str, Any], token: str) -> dict[str, Any]:
        token = token or request.get("credentials", {}).get("oidcIdentityToken", "")
        part = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        if claims["exp"] < self.clock().timestamp():
            raise ValueError("expired token")
        if csr := request.get("certificateSigningRequest"):
            public_key = x509.load_pem_x509_csr(base64.b64decode(csr)).public_key()
        else:
            public_key = serialization.load_pem_public_key(request["publicKeyRequest"]["publicKey"]["content"].encode())
        leaf = self.issue_cert(public_key, claims.get("email", claims["sub"]), claims["iss"])
        return {
            "signedCertificateEmbeddedSct": {
                "chain": {"certificates": [cert_pem(c).decode() for c in (leaf, self.intermediate, self.root)]}
            }
        }

    @contextlib.contextmanager
    def serve(self, host: str = "127.0.0.1", port: int = 0) -> Iterator[FakeSigstore]:  # noqa: C901 - one small server with all its services
        fs = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *a: Any) -> None:
                pass

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                token = (self.headers.get("Authorization") or "").removeprefix("Bearer ").strip()
                try:
                    if self.path == "/api/v2/signingCert":
                        self._reply(200, fs.fulcio_signing_cert(json.loads(raw), token))
                    elif self.path == "/api/v1/log/entries":
                        added = fs.rekor_v1_add(json.loads(raw))
                        uuid = next(iter(added))  # sigstore-go finds the entry by the ETag
                        self._reply(201, added, headers={"ETag": uuid, "Location": f"{self.path}/{uuid}"})
                    elif self.path == "/api/v2/log/entries":
                        self._reply(201, fs.rekor_v2_add(json.loads(raw)))
                    elif self.path == "/api/v1/timestamp":
                        self._reply(201, fs.timestamp(raw), "application/timestamp-reply")
                    else:
                        self._reply(404, {"code": 404, "message": self.path})
                except Exception as e:  # a test server: say why  # noqa: BLE001 - whatever went wrong is the client's answer
                    self._reply(400, {"code": 400, "message": repr(e)})

            def do_GET(self) -> None:
                if self.path == "/api/v2/trustBundle":
                    self._reply(
                        200, {"chains": [{"certificates": [cert_pem(c).decode() for c in (fs.intermediate, fs.root)]}]}
                    )
                else:
                    self._reply(404, {"code": 404, "message": self.path})

            def _reply(
                self, code: int, obj: Any, ctype: str = "application/json", headers: dict[str, str] | None = None
            ) -> None:
                body = obj if isinstance(obj, bytes) else json.dumps(obj).encode()
                self.send_response(code)
                self.send_header("Content-Type", ctype)
                self.send_header("Content-Length", str(len(body)))
                for k, v in (headers or {}).items():
                    self.send_header(k, v)
                self.end_headers()
                self.wfile.write(body)

        srv = ThreadingHTTPServer((host, port), Handler)
        srv.daemon_threads = True
        self.url = f"http://{host}:{srv.server_port}"
        t = threading.Thread(target=srv.serve_forever, args=(0.05,), daemon=True)
        t.start()
        try:
            yield self
        finally:
            srv.shutdown()
            srv.server_close()
            t.join(5)


if __name__ == "__main__":  # write a trust root, a blob and its bundle in a directory
    import pathlib
    import sys

    out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    out.mkdir(parents=True, exist_ok=True)
    fs = FakeSigstore()
    (out / "trusted_root.json").write_text(fs.trusted_root_json())
    blob = b"airgap bundle index\n" * 100
    (out / "blob").write_bytes(blob)
    who = {"identity": "release@example.test", "issuer": "https://issuer.example.test"}
    t0 = time.perf_counter()
    (out / "v1.sigstore.json").write_text(fs.sign_blob(blob, **who))
    (out / "v2.sigstore.json").write_text(fs.sign_blob(blob, rekor=2, **who))
