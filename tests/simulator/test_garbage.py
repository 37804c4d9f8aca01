"""Whatever a question holds, the simulator answers with a document and never fails."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.simulator.app import Simulator, build_simulator
from gateway.simulator.calls import Call
from gateway.simulator.questions import PERSONEN, REISDOCUMENTEN
from gateway.simulator.settings import SimulatorSettings
from gateway.simulator.stays import BEWONINGEN, VERBLIJFPLAATSHISTORIE
from tests.simulator.stage import GEMEENTE, HANNA

PARAMETERS = [
    "burgerservicenummer", "fields", "geslachtsnaam", "voornamen", "voorvoegsel", "geboortedatum", "geslacht", "postcode",
    "huisnummer", "huisletter", "straat", "gemeenteVanInschrijving", "nummeraanduidingIdentificatie", "peildatum",
    "adresseerbaarObjectIdentificatie", "datumVan", "datumTot", "reisdocumentnummer", "inclusiefOverledenPersonen",
]  # fmt: skip
APIS = {
    "brp/personen": PERSONEN,
    "bewoning/bewoningen": BEWONINGEN,
    "brp/verblijfplaatshistorie": VERBLIJFPLAATSHISTORIE,
    "brp/reisdocumenten": REISDOCUMENTEN,
}
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.floats(allow_nan=False), st.text(max_size=12),
    st.sampled_from([HANNA, "Zandstra", "zan*", "1979-03-14", "2020-01-01", "9999-12-31", "0001-01-01", "9101", "9101010000000001", "12", "9911AB"]),
)  # fmt: skip
values = st.one_of(scalars, st.lists(scalars, max_size=4), st.dictionaries(st.text(max_size=3), scalars, max_size=2))
likely = st.one_of(values, st.just(["naam", "geboorte.datum"]))


@pytest.fixture(scope="module")
def simulator() -> Simulator:
    return build_simulator(SimulatorSettings(afnemers=(GEMEENTE,), seen_limit=10))


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_no_question_makes_it_fail(simulator, data):

    path, questions = data.draw(st.sampled_from(list(APIS.items())))
    kind = data.draw(st.one_of(st.sampled_from(list(questions)), values))
    body = {"type": kind, "fields": ["naam"]} | data.draw(
        st.dictionaries(st.sampled_from(PARAMETERS), likely, max_size=8)
    )
    connection = simulator.opened(GEMEENTE.oin, "f" * 64, "TLSv1.3")
    form = (
        f"grant_type=client_credentials&client_id={GEMEENTE.client_id}&client_secret={GEMEENTE.client_secret}"
        f"&scope={GEMEENTE.afnemer_id}-{GEMEENTE.oin}&resourceServer=ResourceServer01"
    ).encode()
    headers = {"content-type": "application/x-www-form-urlencoded"}
    issued = simulator.reply(simulator.begin(Call("POST", "/nidp/oauth/nam/token", {}, headers, form, connection)))
    token = json.loads(issued.body)["access_token"]
    call = Call(
        "POST", f"/lap/api/{path}", {}, {"authorization": f"Bearer {token}"}, json.dumps(body).encode(), connection
    )
    reply = simulator.reply(simulator.begin(call))
    assert reply.status in {200, 400}
    assert isinstance(json.loads(reply.body), dict)


@given(st.binary(max_size=200), st.text(max_size=20), st.sampled_from(["GET", "POST", "DELETE", "PUT"]))
def test_no_token_request_makes_it_fail(simulator, body, authorization, method):
    connection = simulator.opened(GEMEENTE.oin, "f" * 64, "TLSv1.3")
    headers = {"content-type": "application/x-www-form-urlencoded", "authorization": f"Basic {authorization}"}
    call = Call(method, "/nidp/oauth/nam/token", {}, headers, body, connection)
    assert simulator.reply(simulator.begin(call)).status in {400, 401, 405}
