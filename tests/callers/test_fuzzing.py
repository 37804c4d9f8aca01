"""No mutation of a valid token, certificate header or assertion ever yields more than the valid one did.

Each example bends what was valid, as text or by its parts, and asks again: it is refused, or it is exactly whom the valid
one was. The unbent one is asked in between, so that what is remembered of it is there to be mistaken for.
"""

import base64
import json
import time
from dataclasses import dataclass
from ipaddress import ip_network

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.arrivals import Arrivals
from gateway.errors import KoppelpuntError, Malformed, NotAuthenticated
from gateway.pki import make_pki
from gateway.presented import ClientCertificates
from tenants.keysets import KeyUnknown
from tests.callers.issuers import CLIENT, make_key
from tests.callers.standing import (
    API_KEYS,
    CERTIFICATES,
    IDP_KEYS,
    OF_THE_ORGANISATION,
    STRANGER,
    Standing,
    call,
)

FUZZ = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SIGNS = 'ABCDwxyz0189-_.=+/ :,;"\\{}\t\n'


FOREIGN = make_key("een-ander", "RS256")


@dataclass(frozen=True)
class Made:
    """A registry, and what is valid in it: made once, as hypothesis wants the same examples each time."""

    standing: Standing
    idp: dict[int, str]
    own: dict[bytes | None, str]
    assertion: str


@pytest.fixture(scope="module")
def made(mint) -> Made:
    standing = Standing(mint)
    own = {bound: standing.own_token(thumbprint=bound) for bound in (None, CERTIFICATES[1].thumbprint)}
    return Made(standing, {n: standing.idp_token(n) for n in (1, 2)}, own, standing.assertion())


@st.composite
def bent_text(draw, text: str) -> str:
    """The text with a few signs changed, added, taken out, or a piece of it moved."""
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, max(0, len(text) - 1)))
        sign = draw(st.sampled_from(SIGNS) | st.characters(max_codepoint=300))
        other = draw(st.integers(0, len(text)))
        text = draw(
            st.sampled_from(
                [
                    text[:place] + sign + text[place + 1 :],
                    text[:place] + sign + text[place:],
                    text[:place] + text[place + 1 :],
                    text[min(place, other) :] + text[: min(place, other)],
                    text[:place],
                    text + text[place:],
                ]
            )
        )
    return text


CLAIMS = st.sampled_from(
    [
        *("iss", "aud", "azp", "sub", "exp", "iat", "nbf", "jti", "cnf", "medewerker", "realm_access", "afnemerID"),
        *("scope", "claims", "taaksysteem", "sleutel", "aansluiting", "omgeving"),
    ]
)
VALUES = st.sampled_from(
    [
        *("https://idp1.example", "https://idp2.example", "https://koppelpunt.example", CLIENT, "een-ander", "000002"),
        *(None, 0, 1, 9_999_999_999, True, [], {}, "", "M-0001", "2/2", "1/1", 20, "kp-2", "kp-teken-2", "proef"),
        *(
            {"roles": ["beheer"]},
            {"x5t#S256": "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI"},
            ["000002-00000001000000002000"],
        ),
    ]
)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "alg": st.sampled_from(["none", "HS256", "RS256", "ES256", "PS256", "ES384", "rs256"]),
        "kid": st.sampled_from(["idp-1", "idp-2", "eigen-1", "eigen-2", "", None]),
        "typ": st.sampled_from(["JWT", "at+jwt", "logout+jwt", None, 5]),
        "crit": st.just(["exp"]),
        "b64": st.booleans(),
        "jwk": st.just(IDP_KEYS[2].jwk),
        "jku": st.just("https://kwaad.example/jwks"),
    },
)


def encode(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


@st.composite
def bent_token(draw, token: str) -> str:
    """A token with other claims or headers under its old signature, another signature, or as a bent text."""
    head, body, signature = token.split(".")
    header = json.loads(base64.urlsafe_b64decode(head + "=="))
    payload = json.loads(base64.urlsafe_b64decode(body + "=="))
    names = st.sampled_from(sorted(payload)) | CLAIMS
    changed = {**payload, **draw(st.dictionaries(names, VALUES, min_size=1, max_size=3))}
    headers = encode({**header, **draw(HEADERS)})
    ways = [
        draw(bent_text(token)),
        f"{head}.{encode(changed)}.{signature}",
        f"{headers}.{body}.{signature}",
        f"{headers}.{encode(changed)}.{signature}",
        f"{headers}.{encode(changed)}.",
        FOREIGN.sign(changed, kid=header["kid"]),
    ]
    bent: str = draw(st.sampled_from(ways))
    return bent


def whom(standing: Standing, **shown):
    """The caller, or None. Nothing but a refusal may come of it."""
    try:
        return standing.authenticator.authenticate(call(**shown))
    except (KoppelpuntError, KeyUnknown):
        return None


@FUZZ
@given(data=st.data(), number=st.sampled_from([1, 2]))
def test_no_bent_token_of_an_idp_is_anyone_else(made, data, number):
    standing, token = made.standing, made.idp[number]
    valid = whom(standing, bearer=token)
    assert valid is not None
    bent = data.draw(bent_token(token))
    found = whom(standing, bearer=bent)
    # Space around a bearer token is no part of it; nothing else that differs may pass.
    assert found is None or (found == valid and bent.strip(" ") == token)
    assert whom(standing, bearer=token) == valid


@FUZZ
@given(data=st.data())
def test_no_bent_token_of_our_own_is_anyone_else(made, data):
    standing = made.standing
    token = made.own[data.draw(st.sampled_from([None, CERTIFICATES[1].thumbprint]))]
    certificate = data.draw(st.sampled_from([None, CERTIFICATES[1], CERTIFICATES[2], OF_THE_ORGANISATION, STRANGER]))
    found = whom(standing, bearer=data.draw(bent_token(token)), certificate=certificate)
    assert found is None or found == whom(standing, bearer=token, certificate=CERTIFICATES[1])
    assert whom(standing, bearer=token, certificate=CERTIFICATES[1]) is not None


@FUZZ
@given(data=st.data())
def test_no_bent_assertion_is_anyone_else(made, data):
    standing, text = made.standing, made.assertion
    valid, use = standing.authenticator.authenticate_assertion(text, None, "192.0.2.1")
    client_id = data.draw(st.sampled_from([None, None, "kp-teken-1", "kp-teken-1", "kp-teken-2", "kp-1"]))
    bent = data.draw(bent_token(text))
    try:
        found, used = standing.authenticator.authenticate_assertion(bent, client_id, "192.0.2.1")
    except KoppelpuntError:
        return
    # Whatever passes is the same caller, and uses up the same assertion: it cannot be used beside it.
    assert (found, used) == (valid, use)


@FUZZ
@given(
    api_key=st.sampled_from([None, *API_KEYS.values(), "kp_niemand"]),
    token=st.sampled_from([None, "own-1", "own-2", "bound-1", "idp-1", "idp-2", "onzin"]),
    certificate=st.sampled_from([None, *CERTIFICATES.values(), STRANGER]),
    requires=st.sets(st.sampled_from(["api-key", "certificate", "idp"])),
)
def test_more_credentials_never_make_another_caller_and_never_take_the_place_of_a_required_one(
    mint, api_key, token, certificate, requires
):
    standing = Standing(mint, requires=frozenset(requires))
    shown = {
        "own-1": standing.own_token(1), "own-2": standing.own_token(2), "idp-1": standing.idp_token(1),
        "idp-2": standing.idp_token(2), "bound-1": standing.own_token(1, thumbprint=CERTIFICATES[1].thumbprint),
    }  # fmt: skip
    bearer = None if token is None else shown.get(token, token)
    found = whom(standing, api_key=api_key, bearer=bearer, certificate=certificate)
    if found is None:
        return
    number = found.taaksysteem.tenant_id
    assert api_key in {None, API_KEYS[number]}
    assert certificate in {None, CERTIFICATES[number]}
    assert token is None or token.endswith(str(number))
    assert token != "bound-1" or certificate == CERTIFICATES[1]
    assert "api-key" not in requires or api_key is not None
    assert "certificate" not in requires or certificate is not None
    assert "idp" not in requires or str(token).startswith("idp")


PKI = make_pki()
MINE, THEIRS = (PKI.issue_client(f"0000000100{number}234567000", "Gemeente") for number in (1, 2))
STRANGE = make_pki().issue_client("00000001001234567000", "Gemeente")


def fields_of(issued) -> tuple[str, list[str]]:
    leaf, *chain = (one.public_bytes(Encoding.DER) for one in x509.load_pem_x509_certificates(issued.chain_pem))
    return field(leaf), [field(one) for one in chain]


def field(der: bytes) -> str:
    return f":{base64.b64encode(der).decode()}:"


@st.composite
def bent_field(draw, text: str) -> str:
    """A field with a byte of its certificate changed, or bent as text."""
    der = bytearray(base64.b64decode(text.strip(":")))
    place = draw(st.integers(0, len(der) - 1))
    der[place] ^= draw(st.integers(1, 255))
    bent: str = draw(st.just(field(bytes(der))) | bent_text(text) | st.just(text))
    return bent


CERTIFICATES_READ = ClientCertificates(tuple(x509.load_pem_x509_certificates(PKI.root_pem)), time.time)


@FUZZ
@given(data=st.data(), peer=st.sampled_from(["10.0.0.1", "192.0.2.1", "10.0.1.1"]))
def test_no_bent_certificate_header_is_another_certificate(data, peer):
    arrivals = Arrivals((ip_network("10.0.0.0/24"),), certificates=CERTIFICATES_READ)
    leaf, chain = fields_of(MINE)
    strange_leaf, strange_chain = fields_of(STRANGE)
    shown = data.draw(bent_field(leaf) | st.just(strange_leaf))
    links = data.draw(st.lists(st.sampled_from([*chain, *strange_chain, leaf, strange_leaf]), max_size=4))
    links = [data.draw(bent_field(link)) for link in links] if data.draw(st.booleans()) else links
    headers = {"client-cert": shown, "client-cert-chain": ", ".join(links)}
    scope = {"client": (peer, 1), "extensions": {}}
    try:
        _, found = arrivals.read(scope, headers)
    except (NotAuthenticated, Malformed):
        return
    assert found is None or (found.thumbprint.hex() == MINE.fingerprint and peer == "10.0.0.1")
    assert headers == {}
