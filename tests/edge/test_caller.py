"""Who calls: only a credential whose key and taaksysteem stand, and nothing that merely looks like it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.call import Bevraging, Caller
from gateway.caller import Authenticator, Failures
from gateway.errors import NotAuthenticated, TooMany
from gateway.issued import TokenMint, make_signing_keys, read_signing_keys
from gateway.rates import Rates
from gateway.snapshot import Snapshot
from tenants.keyring import Keyring, add_version, hash_secret, make_keyring
from tenants.model import AfnemerId, TaaksysteemKey
from tests import values
from tests.values import END, NOW, START

API_KEY = "kp_0fVb1xkWJv5o1VJ0q9m1Xq0w1uJw1s0T3c9l0m2nQ5A"
CLIENT_ID = "kp-0123456789abcdef"
SECRET = "een geheim met ruimte: é"
KEYRING = make_keyring("identity")
ISSUER = "https://koppelpunt.example/nidp/oauth/nam"


def api_key(number: int = 1, secret: str = API_KEY, keyring: Keyring = KEYRING, **changed: object) -> TaaksysteemKey:
    hashed, version = hash_secret(keyring, secret)
    key = TaaksysteemKey(number, 10 + number, number, "api-key", None, hashed, version, START, END, "active")
    return replace(key, **changed)  # type: ignore[arg-type]


def client_key(number: int = 1, client_id: str = CLIENT_ID, secret: str = SECRET, **changed: object) -> TaaksysteemKey:
    hashed, version = hash_secret(KEYRING, secret)
    key = TaaksysteemKey(number, 20 + number, number, "client-secret", client_id, hashed, version, START, END, "active")
    return replace(key, **changed)  # type: ignore[arg-type]


def registry(*keys: TaaksysteemKey) -> Snapshot:
    parts = [values.part(number, values.machtiging(number)) for number in (1, 2)]
    return values.snapshot(
        *(
            replace(part, taaksysteem_keys=tuple(key for key in keys if key.tenant_id == part.tenant.tenant_id))
            for part in parts
        )
    )


@pytest.fixture(scope="module")
def mint(tmp_path_factory) -> TokenMint:
    path = tmp_path_factory.mktemp("keys") / "token.keys"
    path.write_text(make_signing_keys())
    return TokenMint(read_signing_keys(path), ISSUER)


def authenticator(snapshot: Snapshot, mint: TokenMint, keyring: Keyring = KEYRING, **limits: Rates) -> Authenticator:
    generous = {"by_credential": Rates(10_000, 1_000, 100_000), "by_source": Rates(100_000, 10_000, 100_000)}
    return Authenticator(snapshot, keyring, mint, NOW.timestamp, Failures(**{**generous, **limits}))


def call(source: str = "192.0.2.1", **headers: str) -> Bevraging:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return replace(values.bevraging(), headers=named, source=source)


def token_for(snapshot: Snapshot, mint: TokenMint, key: TaaksysteemKey, *, seconds_ago: float = 0) -> str:
    taaksysteem = snapshot.taaksystemen[key.tenant_id, key.taaksysteem_id]
    aansluiting = snapshot.aansluitingen[key.tenant_id, key.tenant_id]
    return mint.make(taaksysteem, key, aansluiting, NOW.timestamp() - seconds_ago)


def is_refused(asked: Authenticator, bevraging: Bevraging) -> bool:
    try:
        asked.authenticate(bevraging)
    except NotAuthenticated:
        return True
    return False


def test_an_api_key_is_its_taaksysteem(mint):
    snapshot = registry(api_key(1), api_key(2, "een andere sleutel"))
    caller = authenticator(snapshot, mint).authenticate(call(x_api_key=API_KEY))
    assert caller == Caller(snapshot.taaksystemen[1, 1], api_key(1))


def test_a_token_is_its_taaksysteem_bound_to_one_aansluiting(mint):
    snapshot = registry(client_key(1))
    token = token_for(snapshot, mint, client_key(1))
    caller = authenticator(snapshot, mint).authenticate(call(authorization=f"Bearer {token}"))
    assert (caller.taaksysteem.tenant_id, caller.key.client_id, caller.bound) == (1, CLIENT_ID, (1, 1))


def test_nothing_is_nobody(mint):
    with pytest.raises(NotAuthenticated) as caught:
        authenticator(registry(api_key()), mint).authenticate(call())
    assert caught.value.code == "authentication"


@pytest.mark.parametrize(
    "changed",
    [
        {"state": "withdrawn"},
        {"valid_until": NOW},
        {"valid_from": NOW + timedelta(seconds=1)},
        {"taaksysteem_id": 99},
        {"kind": "client-secret"},
    ],
)
def test_an_api_key_that_does_not_stand_is_nobodys(mint, changed):
    assert is_refused(authenticator(registry(api_key(**changed)), mint), call(x_api_key=API_KEY))


@pytest.mark.parametrize(
    "changed",
    [
        {"state": "withdrawn"},
        {"valid_until": NOW},
        {"valid_from": NOW + timedelta(seconds=1)},
        {"taaksysteem_id": 2},
        {"key_id": 99},
        {"client_id": "kp-een-ander"},
    ],
)
def test_a_token_counts_only_while_its_key_stands(mint, changed):
    token = token_for(registry(client_key()), mint, client_key())
    asked = authenticator(registry(client_key(**changed)), mint)
    assert is_refused(asked, call(authorization=f"Bearer {token}"))


def test_a_token_counts_only_while_its_taaksysteem_and_its_aansluiting_stand(mint):
    snapshot = registry(client_key())
    bevraging = call(authorization=f"Bearer {token_for(snapshot, mint, client_key())}")
    asked = authenticator(snapshot, mint)
    taaksysteem, aansluiting = snapshot.taaksystemen[1, 1], snapshot.aansluitingen[1, 1]
    assert not is_refused(asked, bevraging)
    for other in (replace(taaksysteem, state="ended"), replace(taaksysteem, environment="proef")):
        snapshot.taaksystemen[1, 1] = other
        assert is_refused(asked, bevraging)
    snapshot.taaksystemen[1, 1] = taaksysteem
    for changed in (
        replace(aansluiting, environment="proef"),
        replace(aansluiting, afnemer_id=AfnemerId("9" * 6)),
    ):
        snapshot.aansluitingen[1, 1] = changed
        assert is_refused(asked, bevraging)
    del snapshot.aansluitingen[1, 1]
    assert is_refused(asked, bevraging)


def test_a_token_lives_ten_minutes(mint):
    snapshot = registry(client_key())
    asked = authenticator(snapshot, mint)
    for seconds, refused in ((599, False), (600, True), (-31, True), (-30, False)):
        token = token_for(snapshot, mint, client_key(), seconds_ago=seconds)
        assert is_refused(asked, call(authorization=f"Bearer {token}")) == refused
        # Once read and kept, it still ends.
        assert is_refused(asked, call(authorization=f"Bearer {token}")) == refused


def test_a_key_of_an_older_version_of_the_keyring_still_opens_and_one_that_is_gone_does_not(mint):
    newer = add_version(KEYRING)
    asked = authenticator(registry(api_key()), mint, newer)
    assert not is_refused(asked, call(x_api_key=API_KEY))
    gone = Keyring("identity", 2, {2: newer.versions[2]})
    assert is_refused(authenticator(registry(api_key()), mint, gone), call(x_api_key=API_KEY))


def test_two_credentials_must_belong_to_one_taaksysteem(mint):
    snapshot = registry(api_key(1), client_key(1), api_key(2, "sleutel van twee"))
    asked = authenticator(snapshot, mint)
    bearer = f"Bearer {token_for(snapshot, mint, client_key(1))}"
    assert asked.authenticate(call(x_api_key=API_KEY, authorization=bearer)).bound == (1, 1)
    with pytest.raises(NotAuthenticated) as caught:
        asked.authenticate(call(x_api_key="sleutel van twee", authorization=bearer))
    assert caught.value.code == "legitimatiesTegenstrijdig"


@pytest.mark.parametrize("wrong", ["x_api_key", "authorization"])
def test_one_wrong_credential_spoils_a_good_one(mint, wrong):
    snapshot = registry(api_key(1), client_key(1))
    good = {"x_api_key": API_KEY, "authorization": f"Bearer {token_for(snapshot, mint, client_key(1))}"}
    assert is_refused(authenticator(snapshot, mint), call(**{**good, wrong: "Bearer fout"}))


@pytest.mark.parametrize("scheme", ["Basic", "Token", "", "BearerX"])
def test_only_bearer_brings_a_token(mint, scheme):
    snapshot = registry(client_key())
    token = token_for(snapshot, mint, client_key())
    asked = authenticator(snapshot, mint)
    assert is_refused(asked, call(authorization=f"{scheme} {token}"))
    assert not is_refused(asked, call(authorization=f"bearer {token}"))


@given(place=st.integers(0, len(API_KEY) - 1), other=st.characters(max_codepoint=255))
def test_no_change_of_one_sign_in_an_api_key_is_let_through(mint, place, other):
    changed = API_KEY[:place] + other + API_KEY[place + 1 :]
    assert is_refused(authenticator(registry(api_key()), mint), call(x_api_key=changed)) == (changed != API_KEY)


@given(st.text(max_size=80))
def test_no_text_is_a_key_by_chance(mint, text):
    asked = authenticator(registry(api_key(), client_key()), mint)
    assert is_refused(asked, call(x_api_key=text))
    assert is_refused(asked, call(authorization=text))
    assert is_refused(asked, call(authorization=f"Bearer {text}"))


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_no_mutation_of_a_token_is_let_through(mint, data):
    snapshot = registry(client_key())
    asked = authenticator(snapshot, mint)
    token = token_for(snapshot, mint, client_key())
    place = data.draw(st.integers(0, len(token) - 1))
    sign = data.draw(st.sampled_from("ABCDwxyz0189-_.= \t\n+/") | st.characters(max_codepoint=300))
    changed = data.draw(
        st.sampled_from(
            [
                token[:place] + sign + token[place + 1 :],
                token[:place] + sign + token[place:],
                token[:place] + token[place + 1 :],
                token + sign,
            ]
        )
    )
    if changed.strip(" ") != token:
        assert is_refused(asked, call(authorization=f"Bearer {changed}"))
        # The unaltered one, read and kept in between, changes nothing.
        assert not is_refused(asked, call(authorization=f"Bearer {token}"))
        assert is_refused(asked, call(authorization=f"Bearer {changed}"))


def test_a_client_is_known_by_its_secret(mint):
    snapshot = registry(client_key(1), client_key(2, "kp-twee", "geheim van twee"))
    asked = authenticator(snapshot, mint)
    assert asked.authenticate_client(CLIENT_ID, SECRET, "192.0.2.1").taaksysteem.tenant_id == 1
    for client_id, secret in (
        (CLIENT_ID, "geheim van twee"),
        (CLIENT_ID, SECRET + " "),
        (CLIENT_ID, ""),
        ("kp-onbekend", SECRET),
        ("", ""),
    ):
        with pytest.raises(NotAuthenticated):
            asked.authenticate_client(client_id, secret, "192.0.2.1")


def test_an_api_key_is_no_client_secret_and_a_client_secret_no_api_key(mint):
    shared = "beide"
    snapshot = registry(api_key(1, shared, client_id="kp-x"), client_key(2, "kp-y", "alleen geheim"))
    asked = authenticator(snapshot, mint)
    with pytest.raises(NotAuthenticated):
        asked.authenticate_client("kp-x", shared, "192.0.2.1")
    assert is_refused(asked, call(x_api_key="alleen geheim"))


def test_a_client_that_fails_too_often_waits_and_its_neighbours_at_the_same_address_do_not(mint):
    snapshot = registry(client_key(1), client_key(2, "kp-twee", "geheim van twee"))
    asked = authenticator(snapshot, mint, by_credential=Rates(burst=3, per_second=0.001, most=100))
    for _ in range(3):
        with pytest.raises(NotAuthenticated):
            asked.authenticate_client(CLIENT_ID, "fout", "192.0.2.1")
    with pytest.raises(TooMany) as caught:
        asked.authenticate_client(CLIENT_ID, SECRET, "192.0.2.1")
    assert caught.value.retry_after
    assert asked.authenticate_client("kp-twee", "geheim van twee", "192.0.2.1")
    assert asked.authenticate_client(CLIENT_ID, SECRET, "192.0.2.2")


def test_good_credentials_are_never_counted(mint):
    snapshot = registry(api_key(), client_key())
    asked = authenticator(snapshot, mint, by_credential=Rates(1, 0.001, 100), by_source=Rates(1, 0.001, 100))
    bearer = f"Bearer {token_for(snapshot, mint, client_key())}"
    for _ in range(20):
        asked.authenticate(call(x_api_key=API_KEY))
        asked.authenticate(call(authorization=bearer))
        asked.authenticate_client(CLIENT_ID, SECRET, "192.0.2.1")


def test_a_source_that_guesses_keys_is_told_to_wait_and_its_good_keys_still_open(mint):
    asked = authenticator(registry(api_key()), mint, by_source=Rates(burst=5, per_second=0.001, most=100))
    for number in range(5):
        with pytest.raises(NotAuthenticated):
            asked.authenticate(call(x_api_key=f"gok {number}"))
    for other in (call(x_api_key="gok"), call(authorization="Bearer gok")):
        with pytest.raises(TooMany):
            asked.authenticate(other)
    assert asked.authenticate(call(x_api_key=API_KEY))
    with pytest.raises(NotAuthenticated):
        asked.authenticate(call("192.0.2.2", x_api_key="gok"))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("", "", True),
    ],
)
def test_a_source_is_an_address_or_a_subscribers_network(mint, one, other, same):
    asked = authenticator(registry(), mint, by_source=Rates(burst=1, per_second=0.001, most=100))
    with pytest.raises(NotAuthenticated):
        asked.authenticate(call(one, x_api_key="gok"))
    with pytest.raises(TooMany if same else NotAuthenticated):
        asked.authenticate(call(other, x_api_key="gok"))
