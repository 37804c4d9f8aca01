"""The edge over real HTTP: what reaches the exchange, what is refused before it, and what goes back."""

import asyncio
import gzip
import json
import uuid
import zlib
from contextlib import asynccontextmanager

import pytest

from gateway.call import Bevraging, Outgoing
from gateway.edge import Limits, check_shape, make_edge
from gateway.edge.answering import passed_headers
from gateway.errors import Blocked, NotAuthenticated, RegisterUnavailable, TooMany
from gateway.serve import ServeSettings
from tests.edge.serving import ask, read_answer, request, running, send_raw
from tests.values import CATALOGUE

QUESTION = json.dumps(
    {"type": "RaadpleegMetBurgerservicenummer", "burgerservicenummer": ["999990019"], "fields": ["naam"]}
).encode()
GOOD = request(body=QUESTION)
JSON = [(b"content-type", b"application/json")]


class Exchange:
    """Stands behind the edge: authenticates by the presence of a key, checks the shape, answers 200."""

    def __init__(self, body: bytes = b"{}") -> None:
        self.seen: list[Bevraging] = []
        self.body = body

    async def __call__(self, bevraging: Bevraging) -> Outgoing:
        if "x-api-key" not in bevraging.headers:
            raise NotAuthenticated("authentication", "Geen legitimatie.")
        check_shape(bevraging)
        self.seen.append(bevraging)
        return Outgoing(200, list(JSON), self.body)


@asynccontextmanager
async def edge_before(exchange, **limits):
    async with running(make_edge(exchange, CATALOGUE, limits=Limits(**{"body_seconds": 0.5, **limits}))) as port:
        yield port


async def test_a_good_call_reaches_the_exchange_as_a_bevraging():
    exchange = Exchange(b'{"personen":[]}')
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with edge_before(exchange) as port:
        answer = await ask(port, request(body=QUESTION, headers=(("traceparent", trace), ("X-Gebruiker", "José"))))
    (seen,) = exchange.seen
    assert (answer.status, answer.body) == (200, b'{"personen":[]}')
    assert (seen.environment.name, seen.api.name, seen.operation) == ("productie", "personen", "bevragen")
    assert (seen.question.type, seen.question.bsns) == ("RaadpleegMetBurgerservicenummer", ("999990019",))
    assert seen.body == QUESTION
    assert seen.headers["x-gebruiker"] == "José"
    assert seen.source == "127.0.0.1"
    assert seen.trace_id == uuid.UUID("0af7651916cd43dd8448eb211c80319c")
    assert seen.traceparent is not None
    assert seen.traceparent.startswith("00-0af7651916cd43dd8448eb211c80319c-")
    assert seen.traceparent.split("-")[2] != "b7ad6b7169203331"
    assert answer.headers["x-transactie-id"] == str(seen.id)
    assert seen.id.version == 7
    assert answer.headers["cache-control"] == "no-store"


async def test_every_answer_has_a_transaction_id_of_its_own():
    async with edge_before(Exchange()) as port:
        answers = [await ask(port, data) for data in (GOOD, GOOD, request("GET", "/nergens"), request(body=b"{"))]
    ids = [uuid.UUID(answer.headers["x-transactie-id"]) for answer in answers]
    assert ids == sorted(set(ids))
    assert answers[2].json["transactieId"] == answers[2].headers["x-transactie-id"]


@pytest.mark.parametrize(
    ("name", "data", "status", "code"),
    [
        ("two Authorizations", request(headers=(("Authorization", "a"), ("Authorization", "b"))), 400, "headerDubbel"),
        ("two API keys", request(headers=(("x-api-key", "b"),)), 400, "headerDubbel"),
        ("two media types", request(headers=(("content-type", "text/plain"),)), 400, "headerDubbel"),
        ("two doelbindingen", request(headers=(("x-doelbinding", "a"), ("x-doelbinding", "b"))), 400, "headerDubbel"),
        ("an upgrade", request(headers=(("Connection", "Upgrade"), ("Upgrade", "h2c"))), 400, "upgrade"),
        ("an upgrade to WebSocket", request("GET", headers=(("Upgrade", "websocket"),)), 400, "upgrade"),
        ("an escaped dot", request(path="/api/brp/%2e%2e/personen"), 400, "padOngeldig"),
        ("an escaped slash", request(path="/api%2Fbrp/personen"), 400, "padOngeldig"),
        ("an escaped backslash", request(path="/api/brp/..%5Cpersonen"), 400, "padOngeldig"),
        ("a backslash", request(path="/api/brp\\personen"), 400, "padOngeldig"),
        ("an escaped NUL", request(path="/api/brp/personen%00"), 400, "padOngeldig"),
        ("an escaped escape", request(path="/api/brp/%252e/personen"), 400, "padOngeldig"),
        ("an escaped question mark", request(path="/api/brp/personen%3Fa=b"), 400, "padOngeldig"),
        ("a broken escape", request(path="/api/brp/personen%2"), 400, "padOngeldig"),
        ("an escape that is no ASCII", request(path="/api/brp/personen%C3%A9"), 400, "padOngeldig"),
        ("a dot segment", request(path="/api/./brp/personen"), 400, "padOngeldig"),
        ("two dots at the end", request(path="/api/brp/personen/.."), 400, "padOngeldig"),
        ("an empty segment", request(path="/api//brp/personen"), 400, "padOngeldig"),
        ("a path parameter", request(path="/api/brp/personen;a=b"), 400, "padOngeldig"),
        ("a whole URL", request(path="http://elders.example/api/brp/personen"), 400, "padOngeldig"),
        ("no path", request("OPTIONS", "*"), 400, "padOngeldig"),
        ("a NUL in the query", request(path="/api/brp/personen?a=%00"), 400, "queryOngeldig"),
        ("too many headers", request(headers=tuple((f"x-{n}", "a") for n in range(100))), 431, "headersTeGroot"),
        ("brotli", request(body=b"x", headers=(("Content-Encoding", "br"),)), 415, "inhoudscodering"),
        ("gzip that is none", request(body=b"x", headers=(("Content-Encoding", "gzip"),)), 400, "gzipOngeldig"),
        (
            "half of a gzip",
            request(body=gzip.compress(QUESTION)[:-9], headers=(("Content-Encoding", "gzip"),)),
            400,
            "gzipOngeldig",
        ),
        (
            "a gzip with something after it",
            request(body=gzip.compress(QUESTION) * 2, headers=(("Content-Encoding", "gzip"),)),
            400,
            "gzipOngeldig",
        ),
        (
            "a gzip bomb",
            request(body=gzip.compress(b" " * 30_000_000, 9), headers=(("Content-Encoding", "gzip"),)),
            413,
            "bodyTeGroot",
        ),
        (
            "an announced large body",
            request(without=("Content-Length",), headers=(("Content-Length", "9999999999"),)),
            413,
            "bodyTeGroot",
        ),
        ("a path that is nowhere", request(path="/elders"), 404, "padOnbekend"),
        ("the root", request("GET", "/"), 404, "padOnbekend"),
    ],
)
async def test_a_doubtful_request_is_refused_before_anybody_is_asked(name, data, status, code):
    exchange = Exchange()
    async with edge_before(exchange) as port:
        answer = await ask(port, data)
    assert (answer.status, answer.json["code"]) == (status, code), name
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["plaats"] == "gateway"
    assert ("connection" in answer.headers) == (code != "padOnbekend")
    assert exchange.seen == []


async def test_a_refused_framing_closes_the_connection_so_that_nothing_can_follow():
    async with edge_before(Exchange()) as port:
        answered = await send_raw(port, request(headers=(("X-API-KEY", "b"),)) + GOOD)
    assert answered.count(b"HTTP/1.1 ") == 1


async def test_a_chunked_body_that_grows_over_the_limit_is_cut_off():
    data = request(without=("Content-Length",), headers=(("Transfer-Encoding", "chunked"),))
    async with edge_before(Exchange(), body=100_000) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(data)
        for _ in range(40):
            writer.write(b"2000\r\n" + b" " * 0x2000 + b"\r\n")
        answer = await read_answer(reader)
        writer.close()
    assert (answer.status, answer.headers["connection"]) == (413, "close")


async def test_a_chunked_body_and_a_gzipped_body_are_read_as_any_other():
    exchange = Exchange()
    packed = gzip.compress(QUESTION)
    chunked = request(without=("Content-Length",), headers=(("Transfer-Encoding", "chunked"),))
    chunked += b"10\r\n" + QUESTION[:16] + b"\r\n%x\r\n" % len(QUESTION[16:]) + QUESTION[16:] + b"\r\n0\r\n\r\n"
    async with edge_before(exchange) as port:
        for data in (chunked, request(body=packed, headers=(("Content-Encoding", "gzip"),))):
            assert (await ask(port, data)).status == 200
    assert [seen.body for seen in exchange.seen] == [QUESTION, QUESTION]


async def test_a_slow_body_is_cut_off():
    async with edge_before(Exchange()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request(without=("Content-Length",), headers=(("Content-Length", "50"),)))
        answering = asyncio.create_task(read_answer(reader))
        for _ in range(40):
            writer.write(b" ")
            await asyncio.sleep(0.05)
            if answering.done():
                break
        answer = await answering
        writer.close()
    assert (answer.status, answer.json["code"], answer.headers["connection"]) == (408, "bodyTeTraag", "close")


BAD_JSON = {
    "nothing": b"",
    "half": b'{"type":',
    "two values": b"{}{}",
    "a list": b"[]",
    "a text": b'"RaadpleegMetBurgerservicenummer"',
    "a repeated name": b'{"type":"a","type":"b"}',
    "a repeated name, spelt differently": b'{"type":"a","\\u0074ype":"b"}',
    "a repeated name deeper": b'{"type":"a","b":[{"c":1,"c":2}]}',
    "NaN": b'{"type":NaN}',
    "infinity": b'{"type":1e999}',
    "a NUL in a value": b'{"type":"a\\u0000"}',
    "a NUL in a name": b'{"\\u0000":"a"}',
    "a raw NUL": b'{"type":"\0"}',
    "a lone surrogate": b'{"type":"\\ud800"}',
    "Latin-1": '{"type":"é"}'.encode("latin-1"),
    "UTF-16": '{"type":"a"}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"type":"a"}',
    "deep nesting": b'{"a":' + b"[" * 100 + b"]" * 100 + b"}",
    "very deep nesting": b"[" * 500_000,
    "a very long number": b'{"a":' + b"9" * 100_000 + b"}",
    "comments": b'{"type":"a"/* */}',
}


@pytest.mark.parametrize("name", BAD_JSON)
async def test_what_is_no_json_object_gets_rvigs_own_document_and_never_a_500(name):
    exchange = Exchange()
    async with edge_before(exchange) as port:
        answer = await ask(port, request(body=BAD_JSON[name]))
    assert answer.status == 400
    assert answer.json == {
        "type": "https://datatracker.ietf.org/doc/html/rfc7231#section-6.5.1",
        "title": "De bevraging bevat een fout.",
        "status": 400,
        "detail": "Request body is geen geldige JSON.",
        "instance": "/api/brp/personen",
    }
    assert exchange.seen == []


async def test_a_backslash_before_u0000_is_no_nul():
    exchange = Exchange()
    async with edge_before(exchange) as port:
        assert (await ask(port, request(body=b'{"type":"a\\\\u0000"}'))).status == 200


async def test_401_goes_before_405_406_415_404_and_400():
    wrong = ("DELETE", "text/xml", "text/xml", "/api/brp/ingezetenen", "{")
    right = ("POST", "*/*", "application/json", "/api/brp/personen", QUESTION.decode())
    statuses = []
    async with edge_before(Exchange()) as port:
        for known in (False, True):
            for repaired in range(6):
                method, accept, media, path, body = (*right[:repaired], *wrong[repaired:])
                data = request(
                    method,
                    path,
                    body.encode(),
                    headers=(("Accept", accept), ("Content-Type", media), *((("X-API-KEY", "a"),) if known else ())),
                    without=("Accept", "Content-Type", "X-API-KEY"),
                )
                statuses.append((await ask(port, data)).status)
    assert statuses == [401] * 6 + [405, 406, 415, 404, 400, 200]


async def test_a_401_is_rvigs_document_and_says_what_would_be_accepted():
    async with edge_before(Exchange()) as port:
        personen = await ask(port, request(body=QUESTION, without=("X-API-KEY",)))
        berichten = await ask(port, request("GET", "/api/brp/berichten/v1/berichten", without=("X-API-KEY",)))
    assert personen.json == {
        "type": "https://datatracker.ietf.org/doc/html/rfc7235#section-3.1",
        "title": "Niet correct geauthenticeerd.",
        "status": 401,
        "instance": "/api/brp/personen",
        "code": "authentication",
    }
    assert personen.headers["www-authenticate"].startswith("Bearer")
    assert berichten.json["type"].endswith("/BBA-AUTH-F001")


@pytest.mark.parametrize(
    ("method", "path", "operation", "body"),
    [
        ("GET", "/berichten?status=nieuw", "list", b""),
        ("POST", "/berichten", "send", b'{"berichten":[{}]}'),
        ("HEAD", "/berichten/ping", "ping", b""),
        ("GET", "/berichten/telling?soort=nieuw", "telling", b""),
        ("POST", "/berichten/conversie", "conversie", b"anything \x00\xff"),
        ("DELETE", "/berichten/01942f5e-0000-7000-8000-00000000000A", "delete", b""),
        (
            "GET",
            "/berichten/01942f5e-0000-7000-8000-00000000000A%2C01942f5e-0000-7000-8000-00000000000b",
            "fetch",
            b"",
        ),
    ],
)
async def test_the_routes_of_berichten_are_known_by_their_operation(method, path, operation, body):
    exchange = Exchange()
    async with edge_before(exchange) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request(method, "/lap/api/brp/berichten/v1" + path, body))
        answer = await read_answer(reader, has_body=method != "HEAD")
        writer.close()
    (seen,) = exchange.seen
    assert answer.status == 200
    assert (seen.environment.name, seen.operation, seen.body) == ("proef", operation, body)
    assert "%" not in seen.subpath
    if operation == "fetch":
        assert seen.message_ids == (
            "01942f5e-0000-7000-8000-00000000000a",
            "01942f5e-0000-7000-8000-00000000000b",
        )


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", "/berichten", b"", 405),
        ("GET", "/berichten/niets", b"", 404),
        ("GET", "/", b"", 404),
        ("GET", "", b"", 404),
        ("POST", "/berichten", b'{"berichten":1}', 400),
        ("POST", "/berichten", b"{", 400),
        ("DELETE", "/berichten/01942f5e-0000-7000-8000-00000000000A", b"GET / HTTP/1.1", 400),
        ("GET", "/berichten", b"x", 400),
    ],
)
async def test_what_berichten_would_refuse_is_refused(method, path, body, status):
    exchange = Exchange()
    async with edge_before(exchange) as port:
        answer = await ask(port, request(method, "/api/brp/berichten/v1" + path, body))
    assert (answer.status, exchange.seen) == (status, [])


async def test_a_head_gets_the_headers_of_an_answer_and_no_body():
    async with edge_before(Exchange(b'{"a":1}')) as port:
        answered = await send_raw(
            port, request("HEAD", "/api/brp/berichten/v1/berichten/ping", headers=(("Connection", "close"),))
        )
    head, _, body = answered.partition(b"\r\n\r\n")
    assert b"content-length: 7" in head
    assert body == b""


@pytest.mark.parametrize(
    ("accept_encoding", "is_gzipped"),
    [
        ("gzip", True),
        ("gzip, deflate, br", True),
        ("br;q=1.0, gzip;q=0.8, *;q=0.1", True),
        ("*", True),
        ("GZIP", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("gzip;q=0, *", False),
        ("br", False),
        ("identity", False),
        ("xgzip", False),
        ("", False),
        (None, False),
    ],
)
async def test_an_answer_is_gzipped_for_who_accepts_it(accept_encoding, is_gzipped):
    body = b'{"naam":"Jansen"}' * 200
    headers = () if accept_encoding is None else (("Accept-Encoding", accept_encoding),)
    async with edge_before(Exchange(body)) as port:
        answer = await ask(port, request(body=QUESTION, headers=headers))
    assert (answer.headers.get("content-encoding") == "gzip") == is_gzipped
    assert (zlib.decompress(answer.body, 31) if is_gzipped else answer.body) == body
    assert answer.headers["vary"] == "accept-encoding"


async def test_a_small_answer_is_not_gzipped():
    async with edge_before(Exchange(b"{}")) as port:
        answer = await ask(port, request(body=QUESTION, headers=(("Accept-Encoding", "gzip"),)))
    assert (answer.body, "content-encoding" in answer.headers) == (b"{}", False)


async def test_a_large_answer_is_gzipped_beside_the_loop():
    body = b'{"naam":"Jansen"}' * 20_000
    async with edge_before(Exchange(body)) as port:
        answer = await ask(port, request(body=QUESTION, headers=(("Accept-Encoding", "gzip"),)))
    assert zlib.decompress(answer.body, 31) == body


async def test_the_gateways_own_refusals_say_where_on_the_path_and_who_must_act():
    async def exchange(bevraging):
        raise RegisterUnavailable("registerVol", "Het register is vol.", retry_after=3)

    async with edge_before(exchange) as port:
        answer = await ask(port, GOOD)
    assert answer.json == {
        "type": "urn:koppelpunt:probleem:register",
        "title": "Het register kan niet worden geschreven.",
        "status": 503,
        "detail": "Het register is vol.",
        "instance": "/api/brp/personen",
        "code": "registerVol",
        "plaats": "register",
        "transactieId": answer.headers["x-transactie-id"],
    }
    assert answer.headers["retry-after"] == "3"


@pytest.mark.parametrize(
    ("error", "status"), [(Blocked("geblokkeerd", "x"), 403), (TooMany("teVeel", "x", retry_after=2), 429)]
)
async def test_a_refusal_keeps_the_connection_and_the_next_call_is_served(error, status):
    async def exchange(bevraging):
        raise error

    async with edge_before(exchange) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            writer.write(GOOD)
            assert (await read_answer(reader)).status == status
        writer.close()


async def test_what_nobody_foresaw_is_a_bare_500_with_a_reference_and_a_log_line_without_data(capsys):
    async def exchange(bevraging):
        raise ValueError(f"could not handle {bevraging.question.bsns}")

    async with edge_before(exchange) as port:
        answer = await ask(port, GOOD)
    logged = capsys.readouterr().out
    assert answer.status == 500
    assert answer.json["transactieId"] == answer.headers["x-transactie-id"]
    assert "detail" not in answer.json
    assert "999990019" not in answer.body.decode() + logged
    assert answer.headers["x-transactie-id"] in logged
    assert "ValueError" in logged


async def test_a_caller_that_hangs_up_does_not_stop_the_exchange():
    begun, ended = asyncio.Event(), asyncio.Event()

    async def exchange(bevraging):
        begun.set()
        await asyncio.sleep(0.3)
        ended.set()
        return Outgoing(200, list(JSON), b"{}")

    async with edge_before(exchange) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GOOD)
        await begun.wait()
        writer.transport.abort()
        async with asyncio.timeout(2):
            await ended.wait()


async def test_a_caller_that_hangs_up_before_its_body_is_whole_starts_nothing():
    exchange = Exchange()
    async with edge_before(exchange) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GOOD[:-5])
        await writer.drain()
        writer.close()
        assert (await ask(port, request("GET", "/"))).status == 404
    assert exchange.seen == []


async def test_other_routes_are_exact_paths_and_get_the_request_as_it_was_read():
    async def token(received):
        return Outgoing(200, [], f"{received.method} {received.query} ".encode() + received.body)

    edge = make_edge(Exchange(), CATALOGUE, routes={"/nidp/oauth/nam/token": token})
    async with running(edge) as port:
        answer = await ask(port, request(path="/nidp/oauth/nam/token?a=b", body=b"c=d"))
        assert (await ask(port, request(path="/nidp/oauth/nam/token/"))).status == 404
    assert answer.body == b"POST a=b c=d"


async def test_the_edge_works_under_the_servers_usual_settings():
    assert ServeSettings("127.0.0.1:0").most_head == 16 * 1024
    async with running(make_edge(Exchange(), CATALOGUE), most_head=16 * 1024) as port:
        assert (await ask(port, GOOD)).status == 200


def test_of_rvigs_headers_only_those_on_the_list_go_back():
    given = {
        "content-type": "application/json",
        "warning": '299 - "let op"',
        "api-version": "2.7.0",
        "x-rate-limit-limit": "100",
        "x-rate-limit-remaining": "9\r\nset-cookie: a",
        "set-cookie": "a=b",
        "server": "rvig",
        "x-geleverde-pls": "1",
        "location": "https://elders.example",
    }
    assert passed_headers(given) == [
        (b"content-type", b"application/json"),
        (b"warning", b'299 - "let op"'),
        (b"api-version", b"2.7.0"),
        (b"x-rate-limit-limit", b"100"),
    ]
