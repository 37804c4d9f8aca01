"""A checkpoint comes where its tenant wants it, at least once, and a place that knows better rings."""

import dataclasses
from ipaddress import ip_network
from typing import Any

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from prometheus_client import CollectorRegistry

from tenants.checkpoints import Checkpoint, origin_of, read_note, sign
from tenants.delivery.places import Place, PlaceKind, add_place, end_place, list_places
from tenants.delivery.rounds import _unless_known, deliver_due
from tenants.delivery.sending import Contradicted, Undelivered, Ways, deliver
from tenants.faults import InputRefused, NotFound
from tenants.fetch import FetchRules
from tenants.scope import tenant_scope
from tenants.sealer.tree_metrics import TreeMetrics, make_tree_metrics, read_standing
from tests.trees.receiving import https_server, mail_server
from tests.trees.stage import faults, seal, sign_all
from tests.worlds import World

ACTOR = "beheerder"
KEYS = (Ed25519PrivateKey.from_private_bytes(b"s" * 32).public_key().public_bytes_raw(),)
"""Of the fixture `signer`."""


@pytest.fixture
def metrics() -> TreeMetrics:
    return make_tree_metrics(CollectorRegistry())


@pytest.fixture
async def signed(calls, sealing, signer, world, admin):
    """Record calls, seal, sign; return the note."""

    async def make(count: int = 2) -> str:
        await calls.record(world, count)
        await seal(sealing)
        await sign_all(sealing, signer)
        note: str = await admin.fetchval("SELECT note FROM register.checkpoint ORDER BY size DESC LIMIT 1")
        return note

    return make


async def choose(registrar: asyncpg.Connection, world: World, kind: PlaceKind, target: str, **more: Any) -> int:
    async with tenant_scope(registrar, world.tenant_id, actor=ACTOR):
        return await add_place(registrar, world.tenant_id, kind, target, **more)


async def end(registrar: asyncpg.Connection, world: World, place: int) -> None:
    async with tenant_scope(registrar, world.tenant_id, actor=ACTOR):
        await end_place(registrar, world.tenant_id, place)


async def deliver_all(sealing: asyncpg.Connection, ways: Ways, metrics: TreeMetrics) -> None:
    while await deliver_due(sealing, ways, metrics):
        pass


async def again(admin: asyncpg.Connection) -> None:
    """Time passes: what waits for its interval, or for another try, is due."""
    await admin.execute("UPDATE register.delivery SET next_at = '-infinity'")


async def test_a_file_share_gets_a_file_for_each_size_and_none_is_written_over(
    registrar, sealing, world, admin, metrics, signed, tmp_path
):
    await choose(registrar, world, "file", "gemeente/register")
    ways = Ways(share=tmp_path)
    notes = []
    for _ in range(2):
        notes.append(await signed())
        await deliver_all(sealing, ways, metrics)
        await again(admin)
    files = sorted((tmp_path / "gemeente" / "register").iterdir())
    assert [file.read_text() for file in files] == notes
    assert [file.name for file in files] == [f"{world.oin}-{read_note(note)[0].size:020d}.checkpoint" for note in notes]
    deliver(dataclasses.replace(ways, keys=KEYS), "file", "gemeente/register", notes[1])
    (place,) = await places(registrar, world)
    assert place.delivered == read_note(notes[1])[0].size


async def places(registrar: asyncpg.Connection, world: World) -> list[Place]:
    async with tenant_scope(registrar, world.tenant_id, actor=ACTOR):
        return await list_places(registrar, world.tenant_id)


async def test_a_share_that_holds_more_than_the_register_shows_that_it_was_put_back(
    registrar, sealing, signer, world, admin, metrics, signed, tmp_path
):
    await choose(registrar, world, "file", "register")
    ways = Ways(share=tmp_path)
    first, second = await signed(), await signed()
    deliver(ways, "file", "register", second)
    with pytest.raises(Contradicted, match="teruggezet"):
        deliver(dataclasses.replace(ways, keys=KEYS), "file", "register", first)
    # As if it had been signed, and PostgreSQL were an older one that does not know it.
    size = read_note(second)[0].size
    origin = origin_of("koppelpunt.example", world.oin)
    later = sign(Checkpoint(origin, size + 5, b"r" * 32), signer.keys)
    (tmp_path / "register" / f"{world.oin}-{size + 5:020d}.checkpoint").write_text(later)
    await deliver_all(sealing, dataclasses.replace(ways, keys=KEYS), metrics)
    assert await faults(admin) == [
        (world.tenant_id, "destination_contradicts", f"checkpoint destination 1 at size {size}: teruggezet")
    ]
    assert await admin.fetchval("SELECT halted_at IS NOT NULL FROM register.tree")


async def test_a_share_that_holds_another_checkpoint_of_the_same_size_shows_a_fork(world, signed, signer, tmp_path):
    note = await signed()
    ways = Ways(share=tmp_path, keys=KEYS)
    deliver(ways, "file", "register", note)
    deliver(ways, "file", "register", note)
    (file,) = (tmp_path / "register").iterdir()
    file.write_text(sign(dataclasses.replace(read_note(note)[0], root=b"r" * 32), signer.keys))
    with pytest.raises(Contradicted, match="gevorkt"):
        deliver(ways, "file", "register", note)


@pytest.mark.parametrize("larger", [True, False])
@pytest.mark.parametrize("content", ["niets", "altered", "forged", "another tenant's", b"\xff\xfe"])
async def test_a_file_that_the_sealer_did_not_sign_halts_nothing_and_is_not_written_over(
    registrar, sealing, signer, world, admin, metrics, signed, tmp_path, content, larger
):
    """Whoever can write in the share would otherwise halt a register by a name."""
    await choose(registrar, world, "file", "register")
    note = await signed()
    size, origin = read_note(note)[0].size, origin_of("koppelpunt.example", world.oin)
    forger = Ed25519PrivateKey.generate()
    made = {
        "altered": note.replace(f"\n{size}\n", f"\n{size + 7}\n"),
        "forged": sign(Checkpoint(origin, size + 7, b"r" * 32), [forger]),
        "another tenant's": sign(
            Checkpoint(origin_of("koppelpunt.example", "00000009"), size + 7, b"r" * 32), signer.keys
        ),
    }
    text = content if isinstance(content, bytes) else made.get(content, content).encode()
    file = tmp_path / "register" / f"{world.oin}-{size + 7 * larger:020d}.checkpoint"
    file.parent.mkdir()
    file.write_bytes(text)
    await deliver_all(sealing, Ways(share=tmp_path, keys=KEYS), metrics)
    assert file.read_bytes() == text
    assert await faults(admin) == []
    row = await admin.fetchrow("SELECT size, last_error FROM register.delivery")
    assert tuple(row) == (0, "onbekend_bestand")
    # When it is taken away everything is as it should be.
    file.unlink()
    await again(admin)
    await deliver_all(sealing, Ways(share=tmp_path, keys=KEYS), metrics)
    assert [one.read_text() for one in file.parent.iterdir()] == [note]


async def test_a_delivery_that_another_overtook_contradicts_nothing(
    registrar, sealing, world, admin, metrics, signed, tmp_path
):
    await choose(registrar, world, "file", "register")
    ways = Ways(share=tmp_path, keys=KEYS)
    await signed()
    (row,) = await sealing.fetch("SELECT * FROM register.take_deliveries(1)")
    deliver(ways, "file", "register", await signed())
    with pytest.raises(Contradicted) as overtaken:
        deliver(ways, "file", "register", row["note"])
    assert str(await _unless_known(sealing, row, overtaken.value)) == "ingehaald"


async def test_no_path_leads_out_of_the_share(signed, tmp_path):
    note = await signed()
    (tmp_path / "share").mkdir()
    (tmp_path / "share" / "link").symlink_to(tmp_path)
    for target in ("../x", "/etc", "link/x"):
        with pytest.raises(Undelivered, match="buiten_de_share"):
            deliver(Ways(share=tmp_path / "share"), "file", target, note)


async def test_a_post_carries_the_note_as_it_is(registrar, sealing, world, pki, metrics, signed, tmp_path):
    (tmp_path / "root.pem").write_bytes(pki.root_pem)
    with https_server(pki, tmp_path) as inbox:
        hosts = frozenset({f"localhost:{inbox.port}"})
        ways = Ways(fetch=FetchRules(hosts, (ip_network("127.0.0.0/8"), ip_network("::1/128")), tmp_path / "root.pem"))
        await choose(registrar, world, "http", f"https://localhost:{inbox.port}/checkpoints")
        note = await signed()
        await deliver_all(sealing, ways, metrics)
    assert inbox.bodies == [("/checkpoints", note.encode())]
    assert metrics.deliveries.labels("http", "delivered")._value.get() == 1


async def test_a_mail_to_the_officer_says_in_dutch_what_it_is_and_carries_the_note(
    registrar, sealing, world, metrics, signed
):
    await choose(registrar, world, "email", "fg@gemeente.example")
    with mail_server() as inbox:
        ways = Ways(smtp_url=f"smtp-plain://127.0.0.1:{inbox.port}", smtp_from="register@koppelpunt.example")
        note = await signed()
        await deliver_all(sealing, ways, metrics)
        await signed()
        # A mail a day is enough.
        await deliver_all(sealing, ways, metrics)
    (mail,) = inbox.mails
    assert (mail["to"], mail["from"]) == ("fg@gemeente.example", "register@koppelpunt.example")
    assert mail["subject"] == f"Controlepunt van uw register: {read_note(note)[0].size} regels"
    text, attached = (part.get_content() for part in mail.iter_parts())
    assert "Bewaar dit bericht" in text
    assert attached.replace("\r\n", "\n") == note


async def test_a_mail_never_goes_unencrypted_to_another_machine(signed):
    ways = Ways(smtp_url="smtp-plain://mail.example:25", smtp_from="register@koppelpunt.example")
    with pytest.raises(Undelivered, match="zonder_tls"):
        deliver(ways, "email", "fg@gemeente.example", await signed())


@pytest.mark.parametrize("kind", ["file", "http", "email"])
async def test_a_way_that_the_operator_has_not_set_up_is_told(signed, kind):
    with pytest.raises(Undelivered, match="niet_ingericht"):
        deliver(Ways(), kind, "x", await signed())


async def test_what_is_not_delivered_is_tried_again_later_and_rings_when_it_is_late(
    registrar, sealing, world, admin, metrics, signed, tmp_path
):
    await choose(registrar, world, "file", "register")
    await signed()
    (tmp_path / "register").write_text("in the way")
    ways = Ways(share=tmp_path)
    await deliver_all(sealing, ways, metrics)
    assert metrics.deliveries.labels("file", "failed")._value.get() == 1
    row = await admin.fetchrow("SELECT size, attempts, last_error, next_at > now() AS later FROM register.delivery")
    assert tuple(row) == (0, 1, "FileExistsError", True)
    assert (await read_standing(sealing)).late == ()
    await admin.execute("UPDATE register.checkpoint SET signed_at = now() - interval '10 minutes'")
    ((tenant_id, destination_id, kind, seconds),) = (await read_standing(sealing)).late
    assert (tenant_id, destination_id, kind) == (world.tenant_id, 1, "file")
    assert 500 < seconds < 600
    (tmp_path / "register").unlink()
    await again(admin)
    await deliver_all(sealing, ways, metrics)
    assert (await read_standing(sealing)).late == ()
    assert await admin.fetchval("SELECT attempts FROM register.delivery") == 0


async def test_one_place_that_fails_keeps_no_other_waiting(registrar, sealing, world, admin, metrics, signed, tmp_path):
    await choose(registrar, world, "http", "https://nowhere.example/")
    await choose(registrar, world, "file", "register")
    await signed()
    await deliver_all(sealing, Ways(share=tmp_path), metrics)
    assert len(list((tmp_path / "register").iterdir())) == 1
    errors = await admin.fetch("SELECT last_error FROM register.delivery ORDER BY destination_id")
    assert [row["last_error"] for row in errors] == ["niet_ingericht", None]


async def test_two_sealers_do_not_deliver_the_same_at_once(
    registrar, connect, sealing, world, metrics, signed, tmp_path
):
    await choose(registrar, world, "file", "register")
    await signed()
    second = await connect("sealer")
    taken = await sealing.fetch("SELECT * FROM register.take_deliveries(8)")
    assert len(taken) == 1
    assert await second.fetch("SELECT * FROM register.take_deliveries(8)") == []


async def test_who_is_in_productie_without_a_place_is_shown_and_its_calls_go_on(
    registrar, calls, sealing, world, metrics, signed, admin
):
    assert (await read_standing(sealing)).without_destination == (world.tenant_id,)
    await signed()
    place = await choose(registrar, world, "file", "register")
    assert (await read_standing(sealing)).without_destination == ()
    await admin.execute("UPDATE registry.checkpoint_destination SET state = 'ended'")
    assert (await read_standing(sealing)).without_destination == (world.tenant_id,)
    with pytest.raises(NotFound):
        await end(registrar, world, place)


async def test_the_last_place_stays_as_long_as_something_is_in_productie(registrar, world, admin):
    places = [await choose(registrar, world, "file", target) for target in ("een", "twee")]
    await end(registrar, world, places[0])
    with pytest.raises(InputRefused, match="laatste bestemming"):
        await end(registrar, world, places[1])
    await admin.execute("UPDATE registry.aansluiting SET state = 'geblokkeerd'")
    await end(registrar, world, places[1])


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        ("file", "../x"), ("file", "/x"), ("file", "a//b"), ("file", ".hidden"), ("http", "http://a.example/"),
        ("http", "https://u@a.example/"), ("http", "https://a.example/?token=x"), ("email", "a b@c.example"),
        ("email", "geen adres"), ("email", "a@b.example, c@d.example"), ("fax", "1"),
    ],
)  # fmt: skip
async def test_a_place_that_could_lead_elsewhere_is_refused_by_the_registry_and_by_postgresql(
    registrar, admin, world, kind, target
):
    with pytest.raises(InputRefused):
        await choose(registrar, world, kind, target)
    with pytest.raises(Exception, match="checkpoint_destination"):
        await admin.execute(
            "INSERT INTO registry.checkpoint_destination (tenant_id, kind, target, every_seconds) VALUES ($1, $2, $3, 60)",
            world.tenant_id, kind, target,
        )  # fmt: skip


async def test_choosing_the_same_place_again_changes_nothing_but_its_interval(registrar, admin, world):
    assert await choose(registrar, world, "file", "register") == await choose(registrar, world, "file", "register")
    (place,) = await places(registrar, world)
    assert place.every_seconds == 60
    await choose(registrar, world, "file", "register", every_seconds=3_600)
    (place,) = await places(registrar, world)
    assert place.every_seconds == 3_600
    history = await admin.fetch("SELECT action, actor FROM registry.wijziging WHERE object = 'checkpoint_destination'")
    assert [tuple(row) for row in history] == [("insert", ACTOR), ("update", ACTOR)]


async def test_a_tenant_sees_its_own_places_only(registrar, world, other):
    await choose(registrar, world, "file", "register")
    assert await places(registrar, other) == []


async def test_a_place_gets_the_checkpoints_of_its_own_tenant(
    registrar, calls, sealing, signer, world, other, metrics, tmp_path
):
    await choose(registrar, other, "file", "andere")
    await calls.record(world)
    await calls.record(other)
    await seal(sealing)
    await sign_all(sealing, dataclasses.replace(signer))
    await deliver_all(sealing, Ways(share=tmp_path), metrics)
    assert [file.name[:20] for file in (tmp_path / "andere").iterdir()] == [other.oin]
