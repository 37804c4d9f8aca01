"""A registry in memory with three taaksystemen that prove themselves in every way, and an authenticator over it.

Taaksysteem 1 of tenant 1 has an API key, a gateway client, a signing client, a client at IDP 1, and certificate 1.
Taaksysteem 2 of tenant 2 has the same with number 2.
"""

import json
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.call import Bevraging
from gateway.caller import Authenticator, Failures
from gateway.idp.tokens import IdpTokens
from gateway.issued import TokenMint
from gateway.presented import PresentedCertificate
from gateway.rates import Rates
from gateway.snapshot import Snapshot
from tenants.jws import read_keys
from tenants.keyring import hash_secret, make_keyring
from tenants.keysets import KeyUnknown
from tenants.model import Oin, TaaksysteemKey
from tests import values
from tests.callers.issuers import CLIENT, SigningKey, claims, idp, jwks_of, make_key
from tests.values import END, NOW, START

KEYRING = make_keyring("identity")
ISSUER = "https://koppelpunt.example/nidp/oauth/nam"
TOKEN_URL = "https://koppelpunt.example/nidp/oauth/nam/token"
AUDIENCES = frozenset({ISSUER, TOKEN_URL})
MOMENT = NOW.timestamp()
API_KEYS = {1: "kp_sleutel-van-een", 2: "kp_sleutel-van-twee"}
IDP_KEYS = {1: make_key("idp-1", "RS256"), 2: make_key("idp-2", "ES256")}
OWN_KEYS = {1: make_key("eigen-1"), 2: make_key("eigen-2")}
CERTIFICATES = {
    number: PresentedCertificate(bytes([number]) * 32, values.oin(number), START.timestamp(), END.timestamp())
    for number in (1, 2)
}
OF_THE_ORGANISATION = replace(CERTIFICATES[1], thumbprint=bytes([9]) * 32)
"""Another certificate with the OIN of organisation 1."""
STRANGER = PresentedCertificate(bytes([7]) * 32, Oin("00000001999999999000"), START.timestamp(), END.timestamp())

_KEY_FIELDS: dict[str, Any] = {"valid_from": START, "valid_until": END, "state": "active"}


def key(number: int, kind: str, offset: int, **fields: Any) -> TaaksysteemKey:
    given = {"client_id": None, "hash": None, "hash_version": None, **_KEY_FIELDS, **fields}
    return TaaksysteemKey(number, 10 * number + offset, number, kind, **given)


def keys_of(number: int) -> dict[str, TaaksysteemKey]:
    """The keys of a taaksysteem by kind; `oin` is a second certificate key, by OIN."""
    hashed, version = hash_secret(KEYRING, API_KEYS[number])
    secret, _ = hash_secret(KEYRING, f"geheim-{number}")
    return {
        "api-key": key(number, "api-key", 0, hash=hashed, hash_version=version),
        "client-secret": key(number, "client-secret", 1, client_id=f"kp-{number}", hash=secret, hash_version=version),
        "private-key-jwt": key(
            number, "private-key-jwt", 2, client_id=f"kp-teken-{number}", jwks=json.dumps(jwks_of(OWN_KEYS[number]))
        ),
        "idp": key(number, "idp", 3, idp_id=number, idp_client=CLIENT),
        "certificate": key(number, "certificate", 4, thumbprint=CERTIFICATES[number].thumbprint),
    }


class Keys:
    """The keys that each IDP publishes now."""

    def __init__(self) -> None:
        self.published: dict[int, tuple[SigningKey, ...]] = {number: (one,) for number, one in IDP_KEYS.items()}
        self._read: dict[tuple[SigningKey, ...], Any] = {}

    def find(self, asked: Any, kid: str, algorithm: str) -> Any:
        published = self.published[asked.tenant_id]
        if published not in self._read:
            self._read[published] = read_keys(json.dumps(jwks_of(*published)), {"RS256", "PS256", "ES256"})
        found = self._read[published].get((kid, algorithm))
        if found is None:
            raise KeyUnknown(asked)
        return found


@dataclass(slots=True)
class Standing:
    """The registry, the authenticator over it, and what callers send. `moment` is Unix time."""

    mint: TokenMint
    requires: frozenset[str] = frozenset()
    keys: dict[int, dict[str, TaaksysteemKey]] = field(default_factory=lambda: {n: keys_of(n) for n in (1, 2)})
    published: Keys = field(default_factory=Keys)
    moment: float = MOMENT
    snapshot: Snapshot = field(init=False)
    authenticator: Authenticator = field(init=False)
    tokens: IdpTokens = field(init=False)

    def __post_init__(self) -> None:
        self.snapshot = Snapshot()
        self.reload()
        generous = Failures(Rates(10_000, 1_000, 100_000), Rates(100_000, 10_000, 100_000))
        self.tokens = IdpTokens(self.snapshot.callers, self.published)
        self.authenticator = Authenticator(
            self.snapshot,
            KEYRING,
            self.mint,
            lambda: self.moment,
            generous,
            self.tokens,
            AUDIENCES,
        )

    def reload(self) -> None:
        """Read the registry again, as after a change."""
        for number, keys in self.keys.items():
            part = values.part(number, values.machtiging(number))
            taaksystemen = tuple(replace(one, requires=self.requires) for one in part.taaksystemen)
            self.snapshot.replace_tenant(
                number,
                replace(
                    part, taaksystemen=taaksystemen, taaksysteem_keys=tuple(keys.values()), idps=(idp(number, number),)
                ),
            )

    def change(self, number: int, kind: str, **fields: Any) -> None:
        """Change one key, or take it away by making it withdrawn."""
        changed = replace(self.keys[number][kind], **fields)
        self.keys[number][kind] = changed
        if changed.state != "active":
            # The registry's reader leaves out what has ended.
            del self.keys[number][kind]
        self.reload()

    def own_token(self, number: int = 1, kind: str = "client-secret", thumbprint: bytes | None = None) -> str:
        taaksysteem, aansluiting = (
            self.snapshot.taaksystemen[number, number],
            self.snapshot.aansluitingen[number, number],
        )
        return self.mint.make(taaksysteem, self.keys[number][kind], aansluiting, self.moment, thumbprint)

    def idp_token(self, number: int = 1, **changed: Any) -> str:
        said = {"iss": f"https://idp{number}.example", "afnemerID": f"{number:06d}", **changed}
        return IDP_KEYS[number].sign(claims(self.moment, **said))

    def assertion(self, number: int = 1, *, by: SigningKey | None = None, **changed: Any) -> str:
        name = f"kp-teken-{number}"
        said = {
            "iss": name, "sub": name, "aud": TOKEN_URL, "jti": "een-keer", "iat": int(self.moment),
            "exp": int(self.moment) + 60, **changed,
        }  # fmt: skip
        return (by or OWN_KEYS[number]).sign({name: value for name, value in said.items() if value is not None})


def call(
    api_key: str | None = None,
    bearer: str | None = None,
    certificate: PresentedCertificate | None = None,
    **changed: Any,
) -> Bevraging:
    """A call with these credentials."""
    headers = {} if api_key is None else {"x-api-key": api_key}
    if bearer is not None:
        headers["authorization"] = f"Bearer {bearer}"
    return replace(values.bevraging(), headers=headers, certificate=certificate, source="192.0.2.1", **changed)
