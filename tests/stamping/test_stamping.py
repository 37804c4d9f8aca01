"""A checkpoint gets a timestamp of an authority outside, which proves by itself; a dead authority delays nothing, and rings."""

import asyncio
import base64
import dataclasses
import json
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from prometheus_client import CollectorRegistry

from tenants.checkpoints import read_note, sign
from tenants.config import SealerConfig
from tenants.delivery.places import add_place
from tenants.delivery.sending import Undelivered, Ways
from tenants.delivery.stamps import deliver_stamp, deliver_stamps_due
from tenants.fetch import FetchError, FetchRules
from tenants.scope import tenant_scope
from tenants.sealer.signing import publish_keys
from tenants.sealer.stamping import ask_timestamp, authority_of, keep_stamping, stamp_due
from tenants.sealer.tree_metrics import make_tree_metrics
from tenants.timestamps import BadTimestamp, Stamped, make_request, open_timestamp, read_answer
from tests.e2e.ledgers import until
from tests.stamping.authority import make_root
from tests.trees.receiving import https_server, mail_server

NOTE = "example/1\n3\nAAAA\n\n— example/1 c2ln\n"


def value(metric, *labels):
    return (metric.labels(*labels) if labels else metric)._value.get()


async def test_the_newest_checkpoint_is_stamped_and_the_stamp_proves_by_itself(stage, tsa, shown, sealing, admin):
    assert await stamp_due(sealing, tsa.authority(), shown)
    row = await admin.fetchrow("SELECT tenant_id, size, stamped_at, token FROM register.checkpoint_timestamp")
    note = await stage.newest()
    assert (row["tenant_id"], row["size"]) == (stage.world.tenant_id, read_note(note)[0].size)
    assert open_timestamp(row["token"], note, (tsa.root,)) == row["stamped_at"]
    assert abs(datetime.now(UTC) - row["stamped_at"]) < timedelta(minutes=1)
    assert value(shown.stamped) == 1
    # What the authority saw is a digest: no name, no OIN, no number of rows.
    (query,) = tsa.asked
    assert stage.world.oin.encode() not in query
    assert b"koppelpunt" not in query


async def test_it_is_asked_once_per_interval_and_only_for_what_is_new(stage, tsa, shown, sealing, admin):
    authority = tsa.authority()
    for _ in range(2):
        await stamp_due(sealing, authority, shown)
    await stage.fill(1)
    await stamp_due(sealing, authority, shown)
    assert len(tsa.asked) == 1
    await admin.execute("UPDATE register.checkpoint_timestamp SET kept_at = now() - interval '61 minutes'")
    await stamp_due(sealing, authority, shown)
    await stamp_due(sealing, authority, shown)
    assert len(tsa.asked) == 2
    sizes = [row[0] for row in await admin.fetch("SELECT size FROM register.checkpoint_timestamp ORDER BY size")]
    assert sizes[1] == read_note(await stage.newest())[0].size > sizes[0]


async def test_a_dead_authority_delays_nothing_and_rings(stage, tsa, shown, sealing, admin):
    tsa.status = 503
    assert not await stamp_due(sealing, tsa.authority(), shown)
    assert value(shown.failures, "status") == 1
    assert await stage.seal() == []
    await stage.fill(2)
    assert len(await admin.fetch("SELECT 1 FROM register.checkpoint")) == 2
    assert await admin.fetchval("SELECT count(*) FROM register.checkpoint_timestamp") == 0
    # Late from a quarter of an hour beyond the interval on.
    assert shown.late._metrics == {}
    await admin.execute("UPDATE register.checkpoint SET signed_at = now() - interval '2 hours'")
    await stamp_due(sealing, tsa.authority(), shown)
    assert 3590 < value(shown.late, str(stage.world.tenant_id)) < 3700
    tsa.status = 200
    assert await stamp_due(sealing, tsa.authority(), shown)
    assert shown.late._metrics == {}


async def test_what_does_not_hold_is_not_kept(stage, tsa, shown, sealing, admin):
    older = tsa.reply(make_request("another note").as_bytes())
    replayed = tsa.reply(make_request(await stage.newest()).as_bytes())
    for says in (older, replayed, b"", b"\x30\x00", b"<html>"):
        tsa.says = says
        assert not await stamp_due(sealing, tsa.authority(), shown)
    strangers, _ = make_root("Another root")
    tsa.says = None
    assert not await stamp_due(sealing, tsa.authority(roots=(strangers,)), shown)
    assert value(shown.failures, "ongeldig") == 6
    assert await admin.fetchval("SELECT count(*) FROM register.checkpoint_timestamp") == 0


def test_a_stamp_is_about_one_note_and_no_other_answer_counts_for_a_request(tsa):
    request = make_request(NOTE)
    answer = tsa.reply(request.as_bytes())
    assert read_answer(answer, request, NOTE, (tsa.root,)) == open_timestamp(answer, NOTE, (tsa.root,))
    for note in (NOTE + "\n", NOTE.replace("3", "4")):
        with pytest.raises(BadTimestamp):
            open_timestamp(answer, note, (tsa.root,))
    with pytest.raises(BadTimestamp, match="Nonce"):
        read_answer(answer, make_request(NOTE), NOTE, (tsa.root,))
    for place in range(0, len(answer), 97):
        broken = bytearray(answer)
        broken[place] ^= 1
        try:
            moment = open_timestamp(bytes(broken), NOTE, (tsa.root,))
        except BadTimestamp:
            continue
        # Bytes that say nothing (a text of the status) may change; the moment and the digest never.
        assert moment == open_timestamp(answer, NOTE, (tsa.root,))


def test_only_a_listed_authority_is_asked(tsa):
    authority = tsa.authority()
    elsewhere = dataclasses.replace(authority, rules=FetchRules(frozenset({"tsa.example:80"}), plain=True))
    with pytest.raises(FetchError, match="host"):
        ask_timestamp(elsewhere, NOTE)
    inside = dataclasses.replace(authority, rules=dataclasses.replace(authority.rules, internal=()))
    with pytest.raises(FetchError, match="adres"):
        ask_timestamp(inside, NOTE)
    assert tsa.asked == []


async def test_the_loop_stamps_and_goes_on_after_a_failure(stage, tsa, shown, database, admin):
    tsa.status = 500
    shutdown = asyncio.Event()
    keeping = asyncio.create_task(keep_stamping(database.url("sealer"), tsa.authority(), shutdown, shown, every=0.05))
    await until(lambda: value(shown.failures, "status") >= 2)
    tsa.status = 200

    async def is_stamped() -> bool:
        return bool(await admin.fetchval("SELECT count(*) FROM register.checkpoint_timestamp"))

    await until(is_stamped)
    shutdown.set()
    await keeping


async def test_settings_say_whom_and_whose_roots(tsa, tmp_path):
    given: dict[str, Any] = {"database_url": "postgresql://x", "delivery_hosts": "tsa.example:80"}
    given["timestamp_url"] = "http://tsa.example/"
    assert authority_of(SealerConfig(database_url="postgresql://x")) is None
    with pytest.raises(ValueError, match="TIMESTAMP_ROOTS_FILE"):
        authority_of(SealerConfig(**given))
    made = authority_of(SealerConfig(**given, timestamp_roots_file=tsa.directory / "root.pem"))
    assert made is not None
    assert (made.roots, made.every, made.rules.plain) == ((tsa.root,), 3600.0, True)


async def stamped(stage, tsa, shown, sealing, registrar, kind, target) -> Stamped:
    """Choose a place, stamp the newest checkpoint; return what is to be delivered."""
    async with tenant_scope(registrar, stage.world.tenant_id, actor="beheerder"):
        await add_place(registrar, stage.world.tenant_id, kind, target)
    # The place is a change of the registry, and so a leaf.
    await stage.seal()
    await stamp_due(sealing, tsa.authority(), shown)
    token = await stage.admin.fetchval("SELECT token FROM register.checkpoint_timestamp")
    return Stamped(await stage.newest(), token)


async def test_a_file_share_gets_the_stamp_beside_the_checkpoint(stage, tsa, shown, sealing, registrar, tmp_path):
    one = await stamped(stage, tsa, shown, sealing, registrar, "file", "register")
    ways, metrics = Ways(share=tmp_path), make_tree_metrics(CollectorRegistry())
    assert await deliver_stamps_due(sealing, ways, metrics)
    assert not await deliver_stamps_due(sealing, ways, metrics)
    name = f"{stage.world.oin}-{read_note(one.note)[0].size:020d}"
    assert (tmp_path / "register" / f"{name}.tsr").read_bytes() == one.token
    assert (tmp_path / "register" / f"{name}.checkpoint").read_text() == one.note
    # Whoever has the two files and the authority's root checks them without any of our code.
    by_hand = await asyncio.create_subprocess_exec(
        "openssl", "ts", "-verify", "-in", f"{name}.tsr", "-data", f"{name}.checkpoint",
        "-CAfile", str(tsa.directory / "root.pem"), cwd=tmp_path / "register", stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await by_hand.communicate()
    assert b"Verification: OK" in said


@pytest.mark.parametrize("by", ["nobody", "a stranger", "the sealer"])
async def test_only_what_the_sealer_signed_in_the_place_of_a_checkpoint_contradicts_the_register(
    stage, tsa, shown, sealing, registrar, signer, admin, tmp_path, by
):
    one = await stamped(stage, tsa, shown, sealing, registrar, "file", "register")
    checkpoint = read_note(one.note)[0]
    other = dataclasses.replace(checkpoint, root=b"r" * 32)
    text = {
        "nobody": "iets anders",
        "a stranger": sign(other, [Ed25519PrivateKey.generate()]),
        "the sealer": sign(other, signer.keys),
    }[by]
    directory = tmp_path / "register"
    directory.mkdir()
    name = f"{stage.world.oin}-{checkpoint.size:020d}"
    (directory / f"{name}.checkpoint").write_text(text)
    ways = Ways(share=tmp_path, keys=tuple(signer.known_keys()))
    assert await deliver_stamps_due(sealing, ways, make_tree_metrics(CollectorRegistry()))
    assert not (directory / f"{name}.tsr").exists()
    assert (directory / f"{name}.checkpoint").read_text() == text
    error = await admin.fetchval("SELECT last_error FROM register.timestamp_delivery")
    found = await admin.fetch("SELECT code, place, halts FROM register.seal_fault")
    if by == "the sealer":
        place = f"checkpoint destination 1 at size {checkpoint.size}: gevorkt"
        assert [tuple(row) for row in found] == [("destination_contradicts", place, True)]
        assert error == "gevorkt"
    else:
        assert (found, error) == ([], "onbekend_bestand")


async def test_a_stamp_lies_beside_a_checkpoint_that_another_key_of_the_sealers_signed(
    stage, tsa, shown, sealing, registrar, signer, tmp_path
):
    one = await stamped(stage, tsa, shown, sealing, registrar, "file", "register")
    checkpoint, former = read_note(one.note)[0], Ed25519PrivateKey.generate()
    name = f"{stage.world.oin}-{checkpoint.size:020d}"
    (tmp_path / "register").mkdir()
    (tmp_path / "register" / f"{name}.checkpoint").write_text(sign(checkpoint, [former]))
    # Known because the installation published it, also to a sealer that never had it.
    await publish_keys(sealing, dataclasses.replace(signer, keys=(former,)))
    ways = Ways(share=tmp_path, keys=tuple(signer.known_keys()))
    assert await deliver_stamps_due(sealing, ways, make_tree_metrics(CollectorRegistry()))
    assert (tmp_path / "register" / f"{name}.tsr").read_bytes() == one.token


async def test_a_url_and_an_officer_get_both(stage, tsa, shown, sealing, registrar, pki, tmp_path):
    (tmp_path / "root.pem").write_bytes(pki.root_pem)
    with https_server(pki, tmp_path) as inbox, mail_server() as mail:
        target = f"https://localhost:{inbox.port}/stempels"
        one = await stamped(stage, tsa, shown, sealing, registrar, "http", target)
        networks = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
        rules = FetchRules(frozenset({f"localhost:{inbox.port}"}), networks, tmp_path / "root.pem")
        ways = Ways(fetch=rules, smtp_url=f"smtp-plain://127.0.0.1:{mail.port}", smtp_from="kp@example.nl")
        await deliver_stamps_due(sealing, ways, make_tree_metrics(CollectorRegistry()))
        await asyncio.to_thread(deliver_stamp, ways, "email", "fg@gemeente.example", one)
    ((path, body),) = inbox.bodies
    found = json.loads(body)
    assert (path, found["checkpoint"], base64.b64decode(found["timestamp"])) == ("/stempels", one.note, one.token)
    (message,) = mail.mails
    attached = {part.get_filename(): part.get_content() for part in message.iter_attachments()}
    assert attached["tijdstempel.tsr"] == one.token
    assert attached["controlepunt.txt"].replace("\r\n", "\n") == one.note


async def test_a_place_that_does_not_take_it_is_tried_again_later(stage, tsa, shown, sealing, registrar, admin):
    await stamped(stage, tsa, shown, sealing, registrar, "file", "register")
    metrics = make_tree_metrics(CollectorRegistry())
    assert await deliver_stamps_due(sealing, Ways(), metrics)
    row = await admin.fetchrow(
        "SELECT size, attempts, last_error, next_at > now() AS waits FROM register.timestamp_delivery"
    )
    assert tuple(row) == (0, 1, "niet_ingericht", True)
    assert value(metrics.deliveries, "file", "failed") == 1
    with pytest.raises(Undelivered, match="geen_controlepunt"):
        deliver_stamp(Ways(), "file", "register", Stamped("niets", b"x"))


async def test_an_export_carries_them_and_verify_checks_them_offline(stage, tsa, shown, sealing, tmp_path):
    await stamp_due(sealing, tsa.authority(), shown)
    await stage.fill(2)
    path = await stage.export(tmp_path / "export")
    held = stage.judge(path, timestamp_roots=(tsa.root,))
    assert held.first is None
    assert any("1 timestamps hold; the last:" in note for note in held.notes)
    unseen = stage.judge(path)
    assert unseen.first is None
    assert "1 timestamps were not looked at: give the roots of their authority" in unseen.notes
    strangers, _ = make_root("Another root")
    found = stage.judge(path, timestamp_roots=(strangers,)).first
    assert found is not None
    assert found.code == "bad_timestamp"
    live = await stage.verify()
    assert "1 timestamps were not looked at: give the roots of their authority" in live.notes


async def test_a_stamp_over_a_checkpoint_of_another_tree_is_a_fault(stage, tsa, shown, sealing, tmp_path):
    await stamp_due(sealing, tsa.authority(), shown)
    await stage.fill(2)
    path = await stage.export(tmp_path / "export")
    manifest = json.loads((path / "manifest.json").read_text())
    (one,) = manifest["timestamps"]
    lines = one["checkpoint"].split("\n")
    lines[2] = base64.b64encode(b"r" * 32).decode()
    one["checkpoint"] = "\n".join(lines)
    one["timestamp"] = base64.b64encode(tsa.reply(make_request(one["checkpoint"]).as_bytes())).decode()
    (path / "manifest.json").write_text(json.dumps(manifest))
    codes = {fault.code for fault in stage.judge(path, timestamp_roots=(tsa.root,)).faults}
    assert {"bad_signature", "tree_differs"} <= codes
