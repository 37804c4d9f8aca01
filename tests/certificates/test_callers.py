"""Callers' certificates: refused when revoked at any level, and when the list that would say so has ended or is not there."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import asyncpg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import NotAuthenticated
from gateway.presented import ClientCertificates
from gateway.registry_reader import RegistryReader
from gateway.revocations import Revocations
from gateway.snapshot import Snapshot
from tenants.revocation.lists import issuer_digest
from tests.certificates.authorities import Authority, Leaf, Tree, make_tree
from tests.databases import Database

HOUR = 3600.0
PLACES = "http://crl.example"


def lists_of(tree: Tree, only: Sequence[Authority] | None = None) -> list[tuple[bytes, bytes]]:
    return [(issuer_digest(one.certificate), one.crl()) for one in only or tree.authorities]


def refusal(certificates: ClientCertificates, tree: Tree, leaf: Leaf, *, listener: bool = True) -> str | None:
    """The code with which a certificate is refused; by our own listener, or as a proxy hands it over."""
    try:
        if listener:
            pems = tree.chain_pem(leaf, root=True).decode().split("-----END CERTIFICATE-----\n")[:-1]
            certificates.read_verified(*(one + "-----END CERTIFICATE-----\n" for one in pems))
        else:
            certificates.verify(
                leaf.certificate.public_bytes(Encoding.DER), [one.public_bytes(Encoding.DER) for one in tree.between]
            )
    except NotAuthenticated as refused:
        return refused.code
    return None


def made(tree: Tree, demand: str = "named", ahead: float = 0.0) -> tuple[ClientCertificates, Revocations]:
    revocations = Revocations(demand)
    return ClientCertificates((tree.root.certificate,), lambda: time.time() + ahead, revocations), revocations


@pytest.mark.parametrize("listener", [True, False])
@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("kind", ["g1", "g4"])
def test_a_certificate_that_was_revoked_at_any_level_is_refused_from_then_on(kind, level, listener):
    tree = make_tree(kind, base=PLACES)
    leaf = tree.leaf()
    certificates, revocations = made(tree)
    revocations.replace(lists_of(tree))
    assert refusal(certificates, tree, leaf, listener=listener) is None
    victim = (tree.domain.certificate, tree.issuing.certificate, leaf.certificate)[level]
    tree.authorities[level].revoked.append(victim.serial_number)
    revocations.replace(lists_of(tree))
    # The same connection, and a certificate that was accepted before.
    assert refusal(certificates, tree, leaf, listener=listener) == "certificaatIngetrokken"


@pytest.mark.parametrize("listener", [True, False])
def test_after_the_end_of_a_list_nobody_gets_in_and_before_it_everybody_does(listener):
    tree = make_tree("ec", base=PLACES)
    leaf = tree.leaf()
    revocations = Revocations("named")
    revocations.replace(lists_of(tree))
    moments: tuple[tuple[float, str | None], ...] = ((47 * HOUR, None), (48 * HOUR, "intrekkingOnbekend"))
    for ahead, expected in moments:
        certificates = replace(made(tree, ahead=ahead)[0], revocations=revocations)
        assert refusal(certificates, tree, leaf, listener=listener) == expected


def test_a_revocation_counts_also_when_its_list_has_ended():
    tree = make_tree("ec", base=PLACES)
    leaf = tree.leaf()
    certificates, revocations = made(tree, ahead=72 * HOUR)
    tree.issuing.revoked.append(leaf.certificate.serial_number)
    revocations.replace(lists_of(tree))
    assert refusal(certificates, tree, leaf) == "certificaatIngetrokken"


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_level_whose_list_nobody_has_is_refused_where_the_certificate_names_one(missing):
    tree = make_tree("ec", base=PLACES)
    certificates, revocations = made(tree)
    revocations.replace(lists_of(tree, [one for n, one in enumerate(tree.authorities) if n != missing]))
    assert refusal(certificates, tree, tree.leaf()) == "intrekkingOnbekend"


@pytest.mark.parametrize(("demand", "expected"), [("off", None), ("named", None), ("required", "intrekkingOnbekend")])
def test_what_names_no_list_passes_unless_the_operator_asks_for_one(demand, expected):
    tree = make_tree("ec")
    certificates, _ = made(tree, demand)
    assert refusal(certificates, tree, tree.leaf()) == expected


def test_a_list_of_another_authority_of_that_name_says_nothing():
    tree, stranger = make_tree("ec", base=PLACES), make_tree("ec", base=PLACES)
    certificates, revocations = made(tree)
    forged = stranger.issuing.crl()
    good = [one for one in lists_of(tree) if one[0] != issuer_digest(tree.issuing.certificate)]
    revocations.replace([*good, (issuer_digest(tree.issuing.certificate), forged)])
    assert refusal(certificates, tree, tree.leaf()) == "intrekkingOnbekend"


@given(st.lists(st.sampled_from(["good", "revoked", "ended", "absent"]), min_size=3, max_size=3))
def test_a_caller_gets_in_only_when_every_level_is_known_to_be_good(standing: list[str]):
    leaf = TREE.leaf()
    victims = (TREE.domain.certificate, TREE.issuing.certificate, leaf.certificate)
    lists = []
    for authority, victim, how in zip(TREE.authorities, victims, standing, strict=True):
        authority.revoked[:] = [victim.serial_number] if how == "revoked" else [1, 2, 3]
        if how != "absent":
            age = timedelta(hours=50 if how == "ended" else 1)
            lists.append((issuer_digest(authority.certificate), authority.crl(age=age)))
    certificates, revocations = made(TREE)
    revocations.replace(lists)
    expected = None if set(standing) == {"good"} else "intrekkingOnbekend"
    assert refusal(certificates, TREE, leaf) == ("certificaatIngetrokken" if "revoked" in standing else expected)


TREE = make_tree("ec", base=PLACES)


async def test_two_replicas_refuse_as_soon_as_the_sealer_has_the_list(database: Database, sealer: asyncpg.Connection):
    tree = make_tree("ec", base=PLACES)
    leaf, issuer = tree.leaf(), issuer_digest(tree.issuing.certificate)
    replicas = [made(tree) for _ in range(2)]

    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(database.url("gateway"))

    readers = [RegistryReader(connect, Snapshot(), revocations=revocations) for _, revocations in replicas]
    for authority in tree.authorities:
        await keep(sealer, authority)
    try:
        for reader in readers:
            await reader.start()
        assert [refusal(certificates, tree, leaf) for certificates, _ in replicas] == [None, None]
        tree.issuing.revoked.append(leaf.certificate.serial_number)
        await sealer.execute("UPDATE registry.crl SET der = $2 WHERE issuer = $1", issuer, tree.issuing.crl())
        async with asyncio.timeout(10):
            for certificates, _ in replicas:
                while refusal(certificates, tree, leaf) is None:  # noqa: ASYNC110 - it is PostgreSQL that tells them
                    await asyncio.sleep(0.01)
        assert {refusal(certificates, tree, leaf) for certificates, _ in replicas} == {"certificaatIngetrokken"}
    finally:
        for reader in readers:
            await reader.close()


async def keep(sealer: asyncpg.Connection, authority: Authority) -> None:
    der = authority.crl()
    crl = x509.load_der_x509_crl(der)
    await sealer.execute(
        "INSERT INTO registry.crl (issuer, url, der, this_update, next_update, fetched_at) "
        "VALUES ($1, $2, $3, $4, $5, now())",
        issuer_digest(authority.certificate), authority.list_url, der, crl.last_update_utc, crl.next_update_utc,
    )  # fmt: skip
