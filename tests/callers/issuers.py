"""An OIDC provider of a tenant: what it signs, and a small real server that publishes its keys over TLS."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from gateway.serve import ServeSettings, serve
from tenants.model import Idp

AUDIENCE = "https://koppelpunt.example"
CLIENT = "zaaksysteem"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key pair with its name; `algorithm` is what it signs with."""

    kid: str
    algorithm: str
    private: Any = field(repr=False)

    @property
    def jwk(self) -> dict[str, Any]:
        maker = jwt.algorithms.RSAAlgorithm if self.algorithm[:2] in {"RS", "PS"} else jwt.algorithms.ECAlgorithm
        public: dict[str, Any] = json.loads(maker.to_jwk(self.private.public_key()))
        return {**public, "kid": self.kid, "alg": self.algorithm, "use": "sig"}

    def sign(self, claims: dict[str, Any], **headers: Any) -> str:
        # As bytes, so that anything can be signed: also what the library would refuse to say.
        body, named = json.dumps(claims).encode(), {"kid": self.kid, **headers}
        return jwt.PyJWS().encode(body, self.private, self.algorithm, headers=named)


def make_key(kid: str, algorithm: str = "ES256") -> SigningKey:
    curves: dict[str, ec.EllipticCurve] = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
    if algorithm in curves:
        return SigningKey(kid, algorithm, ec.generate_private_key(curves[algorithm]))
    return SigningKey(kid, algorithm, rsa.generate_private_key(65537, 2048))


def jwks_of(*keys: SigningKey) -> dict[str, Any]:
    return {"keys": [key.jwk for key in keys]}


def idp(tenant_id: int = 1, idp_id: int = 1, **changed: Any) -> Idp:
    """An IDP of which every claim is mapped; a test bends one thing."""
    made = Idp(
        tenant_id=tenant_id,
        idp_id=idp_id,
        version=1,
        issuer=f"https://idp{tenant_id}.example",
        jwks_url=f"https://idp{tenant_id}.example/jwks",
        audience=AUDIENCE,
        algorithms=frozenset({"RS256", "PS256", "ES256"}),
        clock_skew=30,
        claim_taaksysteem="azp",
        claim_user="medewerker",
        claim_roles="realm_access.roles",
        claim_afnemer_id="afnemerID",
    )
    return replace(made, **changed)


def claims(now: float, **changed: Any) -> dict[str, Any]:
    """What a user's token says by default; None takes a claim away."""
    said = {
        "iss": "https://idp1.example",
        "aud": AUDIENCE,
        "azp": CLIENT,
        "sub": "0b5b3f3e",
        "iat": int(now),
        "exp": int(now) + 300,
        "medewerker": "M-0042",
        "realm_access": {"roles": ["balie", "inzage"]},
        "afnemerID": "000001",
        **changed,
    }
    return {name: value for name, value in said.items() if value is not None}


@dataclass(slots=True)
class OidcServer:
    """A real server: discovery, keys, and tokens for whoever asks. Rotates when told; counts who fetches its keys."""

    url: str
    keys: list[SigningKey]
    fetched: int = 0
    status: int = 200
    body: bytes | None = None

    def rotate(self, key: SigningKey) -> None:
        """From now on only this key signs and is published."""
        self.keys = [key]

    def token(self, **changed: Any) -> str:
        """A token of this issuer, of now, signed with the current key."""
        return self.keys[0].sign(claims(time.time(), **{"iss": self.url, **changed}))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            for step in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{step}.complete"})
            return
        status, body = 404, b"{}"
        if scope["path"] == "/.well-known/openid-configuration":
            status, body = 200, json.dumps({"issuer": self.url, "jwks_uri": f"{self.url}/jwks"}).encode()
        elif scope["path"] == "/jwks":
            self.fetched += 1
            status = self.status
            body = json.dumps(jwks_of(*self.keys)).encode() if self.body is None else self.body
        elif scope["path"] == "/token" and scope["method"] == "POST":
            status, body = 200, json.dumps({"access_token": self.token(), "token_type": "Bearer"}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        if 300 <= status < 400:
            headers.append((b"location", b"/.well-known/openid-configuration"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@contextlib.asynccontextmanager
async def oidc_server(
    certificate: Path, key: Path, *keys: SigningKey, host: str = "localhost"
) -> AsyncIterator[OidcServer]:
    """Serve an issuer over TLS while the block runs."""
    shutdown, bound = asyncio.Event(), asyncio.get_running_loop().create_future()
    made = OidcServer("", list(keys) or [make_key("sleutel-1", "RS256")])
    settings = ServeSettings("127.0.0.1:0", certificate, key, drain_seconds=1)
    task = asyncio.create_task(serve(made, settings, shutdown=shutdown, ready=bound.set_result))
    try:
        await asyncio.wait({task, bound}, return_when=asyncio.FIRST_COMPLETED)
        made.url = f"https://{host}:{await bound}"
        yield made
    finally:
        shutdown.set()
        await task
