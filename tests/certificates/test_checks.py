"""What a certificate must be before a call may leave with it: each fault in words, and all of them at once."""

import datetime as dt
import time
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier
from hypothesis import given, settings
from hypothesis import strategies as st

from tenants.certificates_chain import find_path
from tenants.certificates_checks import Judged, Surroundings, check_certificate, environments_of
from tenants.certificates_reading import CertificateRefused
from tenants.revocation.lists import issuer_digest, read_list
from tests.certificates.authorities import (
    OIN,
    OTHER_OIN,
    Authority,
    Leaf,
    Tree,
    make_authority,
    make_tree,
    named,
    usage,
)

NOW = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
TREE = make_tree("ec", now=NOW)
AROUND = Surroundings({"productie": (TREE.root.certificate,)}, NOW, frozenset({"egress.koppelpunt.example"}))
DAY = dt.timedelta(days=1)
LEAVES = [TREE.leaf() for _ in range(3)]
SPKI = PublicFormat.SubjectPublicKeyInfo


def judged(leaf: Leaf, *, tree: Tree = TREE, around: Surroundings = AROUND, oin: str = OIN) -> Judged:
    return check_certificate((leaf.certificate, *tree.between), leaf.public, oin, around)


def codes(leaf: Leaf, *given_: x509.Certificate, around: Surroundings = AROUND, oin: str = OIN) -> set[str]:
    others = given_ or TREE.between
    with pytest.raises(CertificateRefused) as told:
        check_certificate((leaf.certificate, *others), leaf.public, oin, around)
    assert all(one.text.endswith(".") for one in told.value.faults)
    return {one.code for one in told.value.faults}


@pytest.mark.parametrize("kind", ["g1", "g4", "ec"])
@pytest.mark.parametrize("with_root", [True, False])
def test_a_certificate_of_either_generation_is_taken_with_its_facts(kind: str, with_root: bool):
    tree = make_tree(kind, now=NOW)
    around = replace(AROUND, anchors={"proef": (TREE.root.certificate,), "productie": (tree.root.certificate,)})
    leaf = tree.leaf()
    chain = x509.load_pem_x509_certificates(tree.chain_pem(leaf, root=with_root))
    found = check_certificate(chain, leaf.public, OIN, around)
    assert found.oin == OIN
    assert found.fingerprint == leaf.certificate.fingerprint(hashes.SHA256())
    assert found.environments == ("productie",) if kind != "ec" else ("productie", "proef")
    assert x509.load_pem_x509_certificates(found.chain_pem.encode()) == [leaf.certificate, *tree.between]
    assert [one.code for one in found.warnings] == ["intrekkingNietNagegaan"]
    assert environments_of(found.chain_pem, around.anchors, NOW) == found.environments


def test_the_order_in_which_certificates_are_given_does_not_matter():
    leaf = TREE.leaf()
    shuffled = (TREE.domain.certificate, TREE.root.certificate, leaf.certificate, TREE.issuing.certificate)
    found = check_certificate(shuffled, leaf.public, OIN, AROUND)
    assert x509.load_pem_x509_certificates(found.chain_pem.encode()) == [leaf.certificate, *TREE.between]


FAULTS = {
    "oinVanAnder": lambda: TREE.leaf(OTHER_OIN),
    "oinOntbreekt": lambda: TREE.leaf(None),
    "oinOngeldig": lambda: TREE.leaf("123"),
    "geenHandtekening": lambda: TREE.leaf(replaced=[(usage(key_encipherment=True), True)]),
    "geenClientAuth": lambda: TREE.leaf(replaced=[(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)]),
    "certificaatVerlopen": lambda: TREE.leaf(valid=(-3 * DAY, -DAY)),
    "certificaatVanUitgever": lambda: TREE.leaf(replaced=[(x509.BasicConstraints(ca=True, path_length=0), True)]),
    "extensieOnbekend": lambda: TREE.leaf(
        replaced=[(x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)]
    ),
    "handtekeningZwak": lambda: TREE.leaf(signing={"algorithm": hashes.SHA224()}),
    "sleutelZwak": lambda: TREE.leaf(key=ec.generate_private_key(ec.SECP256K1())),
}


@pytest.mark.parametrize("code", FAULTS)
def test_each_fault_of_the_certificate_is_told_by_its_code(code: str):
    assert codes(FAULTS[code]()) == {code}


@pytest.mark.parametrize("absent", [x509.KeyUsage, x509.ExtendedKeyUsage])
def test_a_use_that_is_not_named_is_not_allowed(absent):
    assert codes(TREE.leaf(without=(absent,))) <= {"geenHandtekening", "geenClientAuth"}


def test_two_oins_are_none():
    twice = x509.Name([*named("x", OIN), x509.NameAttribute(NameOID.SERIAL_NUMBER, OTHER_OIN)])
    assert codes(TREE.leaf(subject=twice)) == {"oinOntbreekt"}


def test_a_certificate_that_is_not_of_the_key_is_refused():
    with pytest.raises(CertificateRefused) as told:
        check_certificate((TREE.leaf().certificate, *TREE.between), TREE.leaf().public, OIN, AROUND)
    assert [one.code for one in told.value.faults] == ["sleutelPastNiet"]


def test_all_faults_are_told_at_once():
    leaf = TREE.leaf(OTHER_OIN, valid=(-3 * DAY, -DAY), without=(x509.ExtendedKeyUsage, x509.KeyUsage))
    with pytest.raises(CertificateRefused) as told:
        check_certificate((leaf.certificate,), leaf.public, OIN, AROUND)
    assert {one.code for one in told.value.faults} == {
        "oinVanAnder", "certificaatVerlopen", "geenHandtekening", "geenClientAuth", "ketenOnvolledig",
    }  # fmt: skip


def chain_with(which: str, **changed) -> tuple[Leaf, tuple[x509.Certificate, ...]]:
    """A chain in which one authority is not what it should be."""
    root, key = TREE.root, {"domain": TREE.domain.key, "issuing": TREE.issuing.key}
    lengths: dict[str, int | None] = {"domain": 1, "issuing": 0}
    own = {"domain": {}, "issuing": {}, which: dict(changed)}
    domain = make_authority("D", root, own["domain"].pop("path_length", lengths["domain"]), NOW, key=key["domain"], **own["domain"])  # fmt: skip
    issuing = make_authority("I", domain, own["issuing"].pop("path_length", lengths["issuing"]), NOW, key=key["issuing"], **own["issuing"])  # fmt: skip
    return TREE.leaf(issuer=issuing), (issuing.certificate, domain.certificate)


@pytest.mark.parametrize(
    ("which", "changed", "code"),
    [
        ("issuing", {"ca": False}, "uitgeverGeenCa"),
        ("domain", {"ca": False}, "uitgeverGeenCa"),
        ("domain", {"path_length": 0}, "ketenTeLang"),
        ("issuing", {"may_issue": False}, "uitgeverMagNietUitgeven"),
        ("domain", {"valid": (-9 * DAY, -DAY)}, "uitgeverNietGeldig"),
        ("issuing", {"valid": (DAY, 9 * DAY)}, "uitgeverNietGeldig"),
        ("issuing", {"more": [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)]}, "uitgeverAnderDoel"),
        ("issuing", {"more": [(x509.InhibitAnyPolicy(0), True)]}, "extensieOnbekend"),
    ],
)
def test_each_fault_of_an_authority_on_the_way_is_told(which, changed, code):
    leaf, between = chain_with(which, **changed)
    assert codes(leaf, *between) == {code}


def test_a_root_that_the_operator_does_not_trust_is_told():
    stranger = make_tree("ec", now=NOW)
    leaf = stranger.leaf()
    assert codes(leaf, *stranger.between, stranger.root.certificate) == {"stamcertificaatOnbekend"}


def test_a_root_of_the_same_name_with_another_key_is_no_anchor():
    stranger = make_tree("ec", now=NOW)
    assert codes(stranger.leaf(), *stranger.between) == {"handtekeningOngeldig"}


def test_without_anchors_nothing_is_taken():
    assert codes(TREE.leaf(), around=replace(AROUND, anchors={})) == {"stamcertificatenOntbreken"}


def weak_rsa(modulus: int, exponent: int = 65537) -> Leaf:
    public = rsa.RSAPublicNumbers(exponent, modulus).public_key()
    return TREE.leaf(public=public)


def close_primes() -> int:
    numbers = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_numbers()
    one = max(numbers.p, numbers.q)
    return one * (one + 2)


@pytest.mark.parametrize(
    "leaf",
    [
        lambda: TREE.leaf(key=rsa.generate_private_key(public_exponent=65537, key_size=1024)),  # noqa: S505 - it is what is refused
        lambda: TREE.leaf(key=rsa.generate_private_key(public_exponent=3, key_size=2048)),
        lambda: weak_rsa(close_primes()),
        lambda: weak_rsa((1 << 2047) + 1),
        lambda: weak_rsa(65537**127),
        lambda: TREE.leaf(public=ed25519.Ed25519PrivateKey.generate().public_key()),
    ],
    ids=["short", "exponent", "close primes", "small factor", "roca", "ed25519"],
)
def test_a_key_that_is_known_to_be_weak_is_refused(leaf):
    made = leaf()
    public = made.certificate.public_key()
    der = made.certificate.public_key().public_bytes(Encoding.DER, SPKI)
    assert load_der_public_key(der) == public
    with pytest.raises(CertificateRefused) as told:
        check_certificate((made.certificate, *TREE.between), der, OIN, AROUND)
    assert {one.code for one in told.value.faults} == {"sleutelZwak"}


def test_warnings_do_not_stop_a_certificate():
    leaf = TREE.leaf(names=(), without=(x509.CertificatePolicies,), valid=(DAY, 9 * DAY))
    found = judged(leaf)
    assert {one.code for one in found.warnings} == {
        "nogNietGeldig", "geenPkioverheid", "hostnaamOntbreekt", "intrekkingNietNagegaan",
    }  # fmt: skip
    assert "hostnaamVanAnder" in {one.code for one in judged(TREE.leaf(names=["elders.example"])).warnings}


@pytest.mark.parametrize("level", [0, 1, 2])
def test_what_was_revoked_at_any_level_is_refused(level: int):
    leaf = TREE.leaf()
    issuer: Authority = TREE.authorities[level]
    victim = (TREE.domain.certificate, TREE.issuing.certificate, leaf.certificate)[level]
    issuer.revoked.append(victim.serial_number)
    lists = {
        issuer_digest(one.certificate): [read_list(one.crl(now=NOW), one.certificate, NOW)] for one in TREE.authorities
    }
    issuer.revoked.clear()
    assert codes(leaf, around=replace(AROUND, lists=lists)) == {"certificaatIngetrokken"}


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_chain_that_is_broken_anywhere_is_refused(data):
    leaf = data.draw(st.sampled_from(LEAVES))
    chain = [leaf.certificate, *TREE.between]
    place = data.draw(st.integers(0, 2))
    whole = chain[place]
    der = bytearray(whole.public_bytes(Encoding.DER))
    bit = data.draw(st.integers(0, len(der) * 8 - 1))
    der[bit // 8] ^= 1 << (bit % 8)
    try:
        chain[place] = x509.load_der_x509_certificate(bytes(der))
        public = chain[0].public_key().public_bytes(Encoding.DER, SPKI)
    except Exception:  # noqa: BLE001 - what cannot be read is not taken either
        return
    if (chain[place].tbs_certificate_bytes, chain[place].signature) == (whole.tbs_certificate_bytes, whole.signature):
        return  # the count of bits that the signature does not use, which nobody signed: nothing is broken
    assert find_path(chain[0], chain[1:], [TREE.root.certificate], NOW).faults
    with pytest.raises(CertificateRefused):
        check_certificate(chain, public, OIN, AROUND)


@given(st.sets(st.integers(0, 1)), st.booleans())
def test_a_chain_without_one_of_its_links_is_refused(kept: set[int], rooted: bool):
    leaf = LEAVES[0]
    others = [TREE.between[number] for number in kept] + ([TREE.root.certificate] if rooted else [])
    whole = find_path(leaf.certificate, others, [TREE.root.certificate], NOW)
    assert (whole.faults == ()) == (kept == {0, 1})


def test_certificates_that_lead_in_circles_cost_no_more_than_others():
    key = ec.generate_private_key(ec.SECP256R1())
    first = make_authority("Kring CA", None, None, NOW, key=key)
    circle = [make_authority("Kring CA", first, None, NOW, key=key).certificate for _ in range(11)]
    leaf = TREE.leaf(issuer=Authority(first.certificate, key))
    began = time.perf_counter()
    assert codes(leaf, *circle)
    assert time.perf_counter() - began < 1


def test_an_authority_that_was_renewed_serves_beside_the_one_that_ended():
    old = make_authority("I", TREE.domain, 0, NOW, key=TREE.issuing.key, valid=(-9 * DAY, -DAY))
    new = make_authority("I", TREE.domain, 0, NOW, key=TREE.issuing.key)
    leaf = TREE.leaf(issuer=new)
    for order in ((old, new), (new, old)):
        given_ = (leaf.certificate, *(one.certificate for one in order), TREE.domain.certificate)
        assert check_certificate(given_, leaf.public, OIN, AROUND).environments == ("productie",)
