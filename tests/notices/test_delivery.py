"""A notice gets to its contact by a real mail server with STARTTLS and a real webhook over https; what is dead delays nothing."""

import asyncio
import base64
import dataclasses
import hashlib
import hmac
import http.server
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from ipaddress import ip_network
from typing import Any

import asyncpg
import orjson
import pytest
from aiosmtpd.smtp import SMTP

from tenants.config import SealerConfig
from tenants.delivery.sending import Ways
from tenants.fetch import FetchRules
from tenants.notices.metrics import NoticeMetrics
from tenants.notices.rounds import deliver_due, keep_notifying
from tenants.notices.rows import raise_notice
from tenants.notices.rules import Notice
from tenants.notices.sending import NoticeWays
from tenants.notices.signing import parse_notice_keys, webhook_secret
from tenants.sealer.app import run_sealer
from tests.e2e.ledgers import until
from tests.notices.conftest import told

KEYS = parse_notice_keys(base64.b64encode(b"k" * 32).decode())
STATES = "SELECT way, state, attempts, last_error FROM registry.bezorging ORDER BY way, bezorging_id"


class Post:
    """What aiosmtpd hands over."""

    def __init__(self) -> None:
        self.mails: list[Any] = []
        self.encrypted: list[bool] = []

    async def handle_DATA(self, _server: SMTP, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        message = message_from_bytes(envelope.content, policy=policy.default)
        self.mails.append((envelope.rcpt_tos, message))
        self.encrypted.append(session.ssl is not None)
        return "250 OK"


@pytest.fixture
def certificate(pki, tmp_path, monkeypatch):
    """A server's certificate for localhost, whose authority this machine trusts."""
    anchors = tmp_path / "anchors.pem"
    anchors.write_bytes(pki.root_pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(anchors))
    return pki.issue_server(["localhost"]).save(tmp_path, "server"), anchors


@pytest.fixture
async def mail(certificate) -> AsyncIterator[tuple[Post, int]]:
    """A mail server that takes nothing without TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate[0])
    post, loop = Post(), asyncio.get_running_loop()

    def session() -> SMTP:
        return SMTP(post, tls_context=context, require_starttls=True, hostname="localhost", loop=loop)

    async with await loop.create_server(session, "127.0.0.1", 0) as server:
        yield post, server.sockets[0].getsockname()[1]


@dataclasses.dataclass
class Hook:
    port: int = 0
    got: list[tuple[dict[str, str], bytes]] = dataclasses.field(default_factory=list)
    status: int = 204


@contextmanager
def hooked(certificate) -> Iterator[Hook]:
    hook = Hook()

    class Taking(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            hook.got.append((dict(self.headers.items()), self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(hook.status)
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Taking)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate[0])
    server.socket = context.wrap_socket(server.socket, server_side=True)
    hook.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield hook
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def hook(certificate) -> Iterator[Hook]:
    with hooked(certificate) as made:
        yield made


def how_to(mail_port: int, hook_port: int = 1, anchors: Any = None, **given: Any) -> NoticeWays:
    rules = FetchRules(frozenset({f"localhost:{hook_port}"}), (ip_network("127.0.0.0/8"),), anchors)
    ways = Ways(fetch=rules, smtp_url=f"smtp://localhost:{mail_port}", smtp_from="meldingen@koppelpunt.example")
    return NoticeWays(**{"ways": ways, "keys": KEYS, "operator": ("beheer@operator.example",), **given})


def waiting(metrics: NoticeMetrics, way: str) -> float:
    (family,) = metrics.waiting.collect()
    return next((one.value for one in family.samples if one.labels["kind"] == way), 0.0)


async def raise_one(sealer: asyncpg.Connection, world: Any, *, operator: bool = False, occasion: str = "x") -> None:
    notice = Notice(
        world.tenant_id, "certificaat", "5", occasion, "30", "Certificaat 5 verloopt over 20 dagen — écht",
        "Eén lange zin over een certificaat dat verloopt, en daarna nog een stuk zodat de regel gebroken moet worden."
        "\n\nWat u kunt doen: iets.", None, ("technisch",), operator,
    )  # fmt: skip
    assert await raise_notice(sealer, notice, reachable=True)


async def again(admin: asyncpg.Connection) -> None:
    """Time passes: what waits for another try is due."""
    await admin.execute("UPDATE registry.bezorging SET next_at = '-infinity'")


async def test_a_mail_goes_over_tls_in_lines_that_fit_and_is_on_record(sealer, admin, world, contact, mail, metrics):
    post, port = mail
    await contact(world, "technisch", email="meldpunt@gemeente.example")
    await raise_one(sealer, world, operator=True)
    assert await deliver_due(sealer, "mail", how_to(port), metrics)
    assert not await deliver_due(sealer, "mail", how_to(port), metrics)
    assert post.encrypted == [True, True]
    ((_, one), (_, _)) = sorted(post.mails, key=lambda mail: mail[0] != ["meldpunt@gemeente.example"])
    assert {tuple(to) for to, _ in post.mails} == {("meldpunt@gemeente.example",), ("beheer@operator.example",)}
    assert one["Subject"] == "[Koppelpunt] Certificaat 5 verloopt over 20 dagen — écht"
    assert one["Auto-Submitted"] == "auto-generated"
    assert one["Message-ID"].endswith("@koppelpunt.example>")
    text = one.get_content()
    assert max(map(len, text.splitlines())) <= 76
    assert f"Gemeente {world.afnemer_id} (OIN {world.oin})" in text
    assert [tuple(row)[1:] for row in await admin.fetch(STATES)] == [("bezorgd", 1, None)] * 2


async def test_a_webhook_is_signed_with_the_secret_that_the_contact_was_shown(
    sealer, admin, world, contact, hook, certificate, metrics
):
    url = f"https://localhost:{hook.port}/meldingen"
    number = await contact(
        world, "technisch", email=None, webhook_url=url, webhook_key=KEYS.current, webhook_generation=3
    )
    await raise_one(sealer, world)
    before = int(time.time())
    assert await deliver_due(sealer, "webhook", how_to(1, hook.port, certificate[1]), metrics)
    ((headers, body),) = hook.got
    stamp, _, signed = headers["Koppelpunt-Handtekening"].partition(",v1=")
    secret = webhook_secret(KEYS, KEYS.current, world.tenant_id, number, 3)
    assert secret is not None
    assert signed == hmac.new(secret.encode(), stamp[2:].encode() + b"." + body, hashlib.sha256).hexdigest()
    assert before <= int(stamp[2:]) <= time.time()
    said = orjson.loads(body)
    assert (said["oin"], said["soort"], said["drempel"]) == (world.oin, "certificaat", "30")
    assert said["nummer"] == (await told(admin))[0]["melding_id"]
    assert headers["Koppelpunt-Bezorging"].startswith(f"{world.tenant_id}-")


async def test_a_place_that_refuses_is_tried_again_later_each_time_and_given_up_after_a_week(
    sealer, admin, world, contact, hook, certificate, metrics
):
    url = f"https://localhost:{hook.port}/meldingen"
    await contact(world, "technisch", email=None, webhook_url=url, webhook_key=KEYS.current)
    await raise_one(sealer, world)
    hook.status, waits = 503, []
    for _ in range(4):
        await deliver_due(sealer, "webhook", how_to(1, hook.port, certificate[1]), metrics)
        waits.append(
            await admin.fetchval(
                "SELECT extract(epoch FROM next_at - clock_timestamp())::float FROM registry.bezorging"
            )
        )
        await again(admin)
    assert waits == sorted(waits)
    assert waits[-1] > 4 * waits[0]
    assert len({headers["Koppelpunt-Bezorging"] for headers, _ in hook.got}) == 1
    assert [tuple(row) for row in await admin.fetch(STATES)] == [("webhook", "open", 4, "status")]
    await admin.execute("UPDATE registry.melding SET raised_at = now() - interval '8 days'")
    await deliver_due(sealer, "webhook", how_to(1, hook.port, certificate[1]), metrics)
    assert [row["state"] for row in await admin.fetch(STATES)] == ["opgegeven"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"keys": None}, "niet_ingericht"),
        ({"keys": parse_notice_keys(base64.b64encode(b"z" * 32).decode())}, "sleutel_ontbreekt"),
        ({"ways": Ways()}, "niet_ingericht"),
        ({"ways": Ways(fetch=FetchRules(frozenset({"elders.example"})))}, "host"),
    ],
)
async def test_what_stands_in_the_way_is_a_code_without_address(change, code, sealer, admin, world, contact, metrics):
    await contact(world, "technisch", email=None, webhook_url="https://localhost:1/geheim", webhook_key=KEYS.current)
    await raise_one(sealer, world)
    await deliver_due(sealer, "webhook", how_to(1, **change), metrics)
    assert [row["last_error"] for row in await admin.fetch(STATES)] == [code]


async def test_what_cannot_be_sent_at_all_is_a_code_too_and_stops_nothing(sealer, admin, world, contact, mail, metrics):
    post, port = mail
    await contact(world, "technisch", email="jänsen@gemeente.example")
    await contact(world, "technisch", email="goed@gemeente.example")
    await raise_one(sealer, world)
    await deliver_due(sealer, "mail", how_to(port), metrics)
    assert sum(row["state"] == "bezorgd" for row in await admin.fetch(STATES)) >= 1
    assert ["goed@gemeente.example"] in [to for to, _ in post.mails]


async def test_what_was_to_go_to_a_contact_that_ended_still_goes_where_it_was_told_once(
    sealer, registrar, admin, world, contact, mail, metrics
):
    post, port = mail
    number = await contact(world, "technisch")
    await raise_one(sealer, world)
    told = await admin.fetchval("SELECT email FROM registry.contact WHERE contact_id = $1", number)
    await admin.execute("UPDATE registry.contact SET state = 'ended' WHERE contact_id = $1", number)
    while await deliver_due(sealer, "mail", how_to(port), metrics):
        pass
    assert sorted(row["state"] for row in await admin.fetch(STATES)) == ["bezorgd", "vervallen"]
    assert [to for to, _ in post.mails] == [[told]]


async def test_two_sealers_deliver_a_notice_once_and_one_that_died_is_taken_over(
    sealer, connect, admin, world, contact, mail, metrics
):
    post, port = mail
    for number in range(12):
        await contact(world, "technisch", email=f"een{number}@gemeente.example")
    await raise_one(sealer, world)
    # One takes some and dies before it sent anything.
    dying = await connect("sealer")
    assert len(await dying.fetch("SELECT * FROM registry.take_bezorgingen('mail', 3)")) == 3
    await dying.close()
    others = [sealer, await connect("sealer")]
    for _ in range(2):
        await asyncio.gather(*(deliver_due(one, "mail", how_to(port), metrics) for one in others))
    assert len(post.mails) == 9
    await admin.execute("UPDATE registry.bezorging SET next_at = now() - interval '1 second' WHERE state = 'open'")
    await deliver_due(sealer, "mail", how_to(port), metrics)
    assert len({tuple(to) for to, _ in post.mails}) == len(post.mails) == 12


async def test_a_mail_server_that_is_dead_delays_no_webhook_and_shows(
    database, sealer, admin, world, contact, hook, certificate, metrics
):
    """It takes the connection and says nothing, for all that one waits."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://localhost:{hook.port}/meldingen"
        await contact(world, "technisch", webhook_url=url, webhook_key=KEYS.current)
        await raise_one(sealer, world)
        await admin.execute("UPDATE registry.melding SET raised_at = now() - interval '2 hours'")
        shutdown = asyncio.Event()
        how = how_to(silent.getsockname()[1], hook.port, certificate[1])
        async with asyncio.timeout(60):
            keeping = asyncio.create_task(keep_notifying(database.url("sealer"), how, shutdown, metrics, every=0.05))
            began = time.monotonic()
            await until(lambda: bool(hook.got), 30)
            assert time.monotonic() - began < 5
            silent.close()
            await until(lambda: waiting(metrics, "mail") > 7000, 30)
            assert waiting(metrics, "webhook") == 0
            shutdown.set()
            await keeping


async def test_the_sealer_process_raises_and_delivers(database, admin, world, contact, mail):
    post, port = mail
    await contact(world, "technisch")
    await admin.execute("UPDATE registry.credential SET secret_valid_until = now() + interval '5 days'")
    config = SealerConfig(
        database_url=database.url("sealer"), metrics_bind="127.0.0.1:0", every=0.1, seal_every=0.2,
        smtp_url=f"smtp://localhost:{port}", smtp_from="meldingen@koppelpunt.example",
    )  # fmt: skip
    shutdown = asyncio.Event()
    async with asyncio.timeout(60):
        running = asyncio.create_task(run_sealer(config, shutdown))
        await until(lambda: running.done() or any("client-secret" in one["Subject"] for _, one in post.mails), 50)
        shutdown.set()
        await running
    assert len(await told(admin, "geheim")) == 1
