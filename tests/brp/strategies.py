"""Arbitrary JSON, and JSON that looks much like what the BRP APIs speak."""

from hypothesis import strategies as st

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)

MEMBERS = (
    "type", "fields", "burgerservicenummer", "inclusiefOverledenPersonen", "personen", "bewoningen", "bewoners",
    "mogelijkeBewoners", "verblijfplaatsen", "geheimhoudingPersoonsgegevens", "reisdocumenten", "houder", "berichten",
    "opgehaaldeBerichten", "berichtKenmerken", "berichtInhoud", "berichtTransportId", "plData", "plDataSet", "c01",
    "c21", "e0120", "e0110", "historie", "huisnummer", "postcode", "geboortedatum", "datumVan", "datumTot",
    "peildatum", "gemeenteVanInschrijving", "adresseerbaarObjectIdentificatie", "reisdocumentnummer", "naam",
)  # fmt: skip
bsns = st.integers(1, 999_999_999).map("{:09}".format)
familiar = st.recursive(
    scalars | bsns,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=5),
    max_leaves=20,
)
any_json = anything | familiar
