"""Recognition put together: waiting for keys, the security log, the settings, and what the token endpoint says of itself."""

import asyncio
import json
from urllib.parse import urlencode

import pytest
import structlog

from gateway.arrivals import Arrivals
from gateway.call import Outgoing, Received
from gateway.config import ConfigError, GatewayConfig
from gateway.errors import IdpUnavailable, NotAuthenticated
from gateway.fetch import Fetcher, FetchError, FetchRules
from gateway.idp.used import UsedAssertions
from gateway.issuing import METADATA_PATH, TOKEN_PATH, Watch, issuing_routes
from gateway.metrics import make_metrics
from gateway.rates import Rates
from gateway.recognising import Recognition, idp_unavailable
from gateway.rehashing import Rehashing
from gateway.unknown_callers import UnknownCallers
from tenants.keysets import KeySets, KeyTimes
from tests import values
from tests.callers.issuers import jwks_of, make_key
from tests.callers.standing import CERTIFICATES, IDP_KEYS, ISSUER, Standing, call

REQUIRED = {
    "KOPPELPUNT_DATABASE_URL": "postgresql://x",
    "KOPPELPUNT_IDENTITY_KEYRING_FILE": "/x",
    "KOPPELPUNT_TOKEN_KEYS_FILE": "/x",
}


class Idps:
    """What the IDPs answer; nothing at all while `away`."""

    def __init__(self) -> None:
        self.keys = [IDP_KEYS[1]]
        self.away = False
        self.asked = 0

    async def fetch(self, _url: str) -> bytes:
        self.asked += 1
        await asyncio.sleep(0)
        if self.away:
            raise FetchError("verbinding")
        return json.dumps(jwks_of(*self.keys)).encode()


@pytest.fixture
def idps() -> Idps:
    return Idps()


@pytest.fixture
def recognition(standing, idps) -> Recognition:
    async def nowhere():
        raise ConnectionRefusedError

    keysets = KeySets(idps.fetch, KeyTimes(interval=0.0, patience=0.5), unavailable=idp_unavailable)
    standing.tokens.keys = keysets
    unknown = UnknownCallers(Rates(burst=3, per_second=0.001, most=10), Rates(burst=5, per_second=0.001, most=1))
    return Recognition(
        standing.authenticator, keysets, Arrivals(), {}, standing.snapshot, Fetcher(FetchRules()),
        UsedAssertions(nowhere), Rehashing(standing.authenticator.keyring, nowhere), unknown,
    )  # fmt: skip


async def test_a_token_whose_key_is_not_known_yet_waits_for_it(standing, recognition, idps):
    caller = await recognition.authenticate(call(bearer=standing.idp_token()))
    assert (caller.taaksysteem.tenant_id, idps.asked) == (1, 1)
    await recognition.authenticate(call(bearer=standing.idp_token(sub="een-ander")))
    assert idps.asked == 1


async def test_a_token_whose_key_does_not_come_is_refused_as_every_other(standing, recognition, idps):
    idps.keys = [make_key("een-ander")]
    with pytest.raises(NotAuthenticated) as caught:
        await recognition.authenticate(call(bearer=standing.idp_token()))
    assert caught.value.code == "authentication"


async def test_an_idp_that_was_never_reached_is_not_the_callers_fault(standing, recognition, idps):
    idps.away = True
    with pytest.raises(IdpUnavailable):
        await recognition.authenticate(call(bearer=standing.idp_token()))


async def test_who_is_not_recognised_stands_in_the_security_log_rationed_and_without_a_word_of_its_own(recognition):
    with structlog.testing.capture_logs() as lines:
        for number in range(10):
            with pytest.raises(NotAuthenticated):
                await recognition.authenticate(call(api_key=f"kp_geheim-{number}"))
    assert lines == [
        {
            "log_level": "warning", "event": "veiligheid", "actie": "authenticatie", "object": "personen",
            "resultaat": "authentication", "oorsprong": "192.0.2.1", "onderdeel": "gateway", "actor": "onbekend",
        }
    ] * 3  # fmt: skip


def test_a_flood_from_one_address_hides_no_other_source_and_all_together_are_bounded():
    counted: list[str] = []
    unknown = UnknownCallers(
        Rates(burst=3, per_second=0.001, most=10), Rates(burst=5, per_second=0.001, most=1), counted.append, lambda: 0.0
    )
    with structlog.testing.capture_logs() as lines:
        for source in ["2001:db8::1"] * 50 + ["2001:db8::2", "::ffff:198.51.100.7", "niet-een-adres", "198.51.100.8"]:
            unknown.note("authenticatie", target="personen", code="authentication", source=source)
    # One /64 is one source; what is no address is never written as one.
    assert [line["oorsprong"] for line in lines] == ["2001:db8::1"] * 3 + ["198.51.100.7", "onbekend"]
    assert len(counted) == 54


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"CLIENT_CERTIFICATES": "optional"}, "client_ca_file"),
        ({"CLIENT_CERTIFICATES": "required", "CLIENT_CA_FILE": "/ca"}, "certificate_file"),
        ({"CLIENT_CERTIFICATES": "ja"}, "CLIENT_CERTIFICATES"),
        ({"TRUSTED_PROXIES": "10.0.0.1, geen-adres"}, "TRUSTED_PROXIES"),
        ({"TRUSTED_PROXIES": "10.0.0.1/8"}, "TRUSTED_PROXIES"),
        ({"FORWARDED_HEADER": "x-real-ip"}, "FORWARDED_HEADER"),
        ({"FETCH_HOSTS": "https://idp.example/"}, "FETCH_HOSTS"),
        ({"FETCH_INTERNAL_NETWORKS": "alles"}, "FETCH_INTERNAL_NETWORKS"),
        ({"IDP_KEYS_MAX_AGE": "1"}, "IDP_KEYS_MAX_AGE"),
    ],
)
def test_settings_that_cannot_be_are_told(settings, told):
    with pytest.raises(ConfigError) as caught:
        GatewayConfig.read(REQUIRED | {f"KOPPELPUNT_{name}": value for name, value in settings.items()})
    assert told in str(caught.value)


def test_lists_are_read_with_commas():
    read = GatewayConfig.read(
        REQUIRED
        | {"KOPPELPUNT_TRUSTED_PROXIES": "10.0.0.0/8, 2001:db8::7", "KOPPELPUNT_FETCH_HOSTS": "IDP.example, b:8443,"}
    )
    assert [str(one) for one in read.trusted_proxies] == ["10.0.0.0/8", "2001:db8::7/128"]
    assert read.fetch_hosts == {"idp.example", "b:8443"}
    assert (read.client_certificates, GatewayConfig.read(REQUIRED).trusted_proxies) == ("off", ())


def received(path: str, body: bytes = b"", method: str = "GET", certificate=None) -> Received:
    bevraging = values.bevraging()
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return Received(
        bevraging.id, 0.0, method, path, "", headers, body, "192.0.2.1", bevraging.id, "", certificate=certificate
    )


def form(standing: Standing, **changed: str) -> bytes:
    fields = {
        "grant_type": "client_credentials", "scope": "000001-00000001000000001000",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": standing.assertion(), **changed,
    }  # fmt: skip
    return urlencode({name: value for name, value in fields.items() if value}).encode()


async def no_limit(_taaksysteem) -> list[tuple[bytes, bytes]]:
    return []


WATCH = Watch(make_metrics(), no_limit, UnknownCallers())


class Endpoint:
    def __init__(self, standing: Standing, *, fresh: bool = True) -> None:
        self.used: list[bytes] = []
        self.fresh = fresh
        self.routes = issuing_routes(
            standing.authenticator,
            standing.mint,
            standing.snapshot,
            WATCH,
            clock=lambda: standing.moment,
            use=self.use,
            binds=True,
        )

    async def use(self, use) -> bool:
        self.used.append(use.jti)
        return self.fresh

    async def ask(self, *arguments, **settings) -> tuple[int, dict[str, object]]:
        answer: Outgoing = await self.routes[arguments[0]](received(*arguments, **settings))
        return answer.status, json.loads(answer.body)


async def test_the_metadata_says_how_clients_may_prove_themselves(standing):
    _, said = await Endpoint(standing).ask(METADATA_PATH)
    assert said["token_endpoint_auth_methods_supported"] == [
        "client_secret_post", "client_secret_basic", "private_key_jwt",
    ]  # fmt: skip
    assert "none" not in said["token_endpoint_auth_signing_alg_values_supported"]  # type: ignore[operator]
    assert said["tls_client_certificate_bound_access_tokens"] is True
    plain = issuing_routes(standing.authenticator, standing.mint, standing.snapshot, WATCH)
    without = json.loads((await plain[METADATA_PATH](received(METADATA_PATH))).body)
    assert "private_key_jwt" not in without["token_endpoint_auth_methods_supported"]


async def test_a_signed_client_gets_a_token_bound_to_its_certificate(standing):
    endpoint = Endpoint(standing)
    status, said = await endpoint.ask(TOKEN_PATH, form(standing), "POST", CERTIFICATES[1])
    assert (status, len(endpoint.used)) == (200, 1)
    issued = standing.mint.read(str(said["access_token"]), standing.moment)
    assert issued is not None
    assert issued.thumbprint == CERTIFICATES[1].thumbprint


@pytest.mark.parametrize(
    ("changed", "status", "error"),
    [
        ({"client_assertion": ""}, 400, "invalid_request"),
        ({"client_assertion_type": ""}, 400, "invalid_request"),
        ({"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"}, 400, "invalid_request"),
        ({"client_secret": "geheim"}, 400, "invalid_request"),
        ({"client_assertion": "a.b.c"}, 401, "invalid_client"),
        ({"client_id": "kp-teken-2"}, 401, "invalid_client"),
    ],
)
async def test_refusals_of_signed_clients_use_nothing_up(standing, changed, status, error):
    endpoint = Endpoint(standing)
    answered, said = await endpoint.ask(TOKEN_PATH, form(standing, **changed), "POST")
    assert (answered, said["error"], endpoint.used) == (status, error, [])


async def test_an_assertion_is_used_up_before_anything_else_of_the_request_is_judged(standing):
    endpoint = Endpoint(standing)
    status, said = await endpoint.ask(TOKEN_PATH, form(standing, scope="999999-00000001000000001000"), "POST")
    assert (status, said["error"], len(endpoint.used)) == (400, "invalid_scope", 1)


async def test_one_that_was_used_before_opens_nothing(standing):
    status, said = await Endpoint(standing, fresh=False).ask(TOKEN_PATH, form(standing), "POST")
    assert (status, said["error"]) == (401, "invalid_client")
    assert ISSUER not in str(said)
