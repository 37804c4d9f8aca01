"""HTTP to Bevraging and back: a plain ASGI application, and the only place where a call is HTTP.

Owns: what a request may look like, its limits and its deadline, the transaction id, and the way back of answers and
refusals. It judges no credentials and knows no tenant: `exchange` does, first. So that RvIG's order holds (401, 405,
406, 415, 404, 400, 403), the first fault of the call travels along as `Bevraging.fault` and `check_shape` raises it
when the caller is known; a path below an environment that is no API goes the same way, as an API that has no name.

A caller that hangs up cancels nothing: the exchange runs to its end, and what it made is dropped here.
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import structlog

from gateway import problems
from gateway.arrivals import Arrivals
from gateway.brp import berichten, checks
from gateway.brp.apis import TYPES
from gateway.brp.problems import BAD_REQUEST_TYPE, METHOD_NOT_ALLOWED, NO_JSON, NOT_FOUND, ProblemShape
from gateway.brp.question import Question, read_question
from gateway.call import Bevraging, Outgoing, Received
from gateway.catalogue import Api, Catalogue, Environment
from gateway.edge.answering import Send, fixed_headers, passed_headers, send_answer
from gateway.edge.reading import NOTHING, Disconnected, Receive, decode_json, read_body
from gateway.edge.strict import read_headers, read_path, read_query, read_trace
from gateway.errors import AsRvig, KoppelpuntError, Malformed
from gateway.identifiers import uuid7
from gateway.plain import WHOLE_BODY

__all__ = [
    "Edge",
    "Limits",
    "Scope",
    "answer_unreadable",
    "check_shape",
    "make_bevraging",
    "make_edge",
    "passed_headers",
]

Scope = MutableMapping[str, Any]
Exchange = Callable[[Bevraging], Awaitable[Outgoing]]
Route = Callable[[Received], Awaitable[Outgoing]]
Edge = Callable[[Scope, Receive, Send], Awaitable[None]]

NO_API: Final = Api(name="onbekend", kind="other", path="/onbekend", methods=())
"""Stands for every path below an environment that is no API. No machtiging can name it."""

UNASKED_BODY: Final = ProblemShape(
    400, "De bevraging bevat een fout.", BAD_REQUEST_TYPE, detail="Bij deze bevragingsmethode hoort geen body."
)

_log = structlog.get_logger("koppelpunt.edge")


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes of a body, packed and unpacked, and the seconds in which it must be there."""

    body: int = 2 * 1024 * 1024
    body_seconds: float = 10.0


def make_edge(
    exchange: Exchange,
    catalogue: Catalogue,
    *,
    routes: Mapping[str, Route] | None = None,
    limits: Limits | None = None,
    arrivals: Arrivals | None = None,
    make_id: Callable[[], UUID] = uuid7,
) -> Edge:
    """Return the ASGI application. `routes` are exact paths beside the APIs, such as the token endpoint.

    `arrivals` tells from where a call came and with which certificate; without it, the connection's address alone.
    """
    beside = dict(routes or {})
    within = limits or Limits()
    arriving = arrivals or Arrivals()
    roots = _roots(catalogue)

    async def answer(received: Received) -> Outgoing:
        route = beside.get(received.path)
        if route is not None:
            return await route(received)
        found = catalogue.find(received.path) or _unknown(received.path, roots)
        if found is None:
            raise Malformed(problems.NOT_FOUND, "Op dit pad is niets te vinden.")
        return await exchange(make_bevraging(received, *found))

    async def edge(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await _other(scope, receive, send)
            return
        transaction_id = make_id()
        headers: dict[str, str] = {}
        try:
            headers = read_headers(scope["headers"], scope["http_version"])
            outgoing = await answer(await _read(scope, receive, headers, within, arriving, transaction_id))
        except Disconnected:
            return
        except Exception as error:  # noqa: BLE001 - the last place where a caller can still get an answer
            outgoing = _refuse(error, scope["raw_path"], transaction_id, catalogue)
            outgoing.headers.extend(getattr(error, "headers", ()))
        await send_answer(
            send,
            outgoing,
            transaction_id=transaction_id,
            accept_encoding=headers.get("accept-encoding"),
            is_head=scope["method"] == "HEAD",
        )

    return edge


def answer_unreadable(status: int) -> Outgoing:
    """Return the answer to what was no HTTP at all; for the server, which finds that before the edge sees anything."""
    transaction_id = uuid7()
    code = {431: "headersTeGroot", 501: "transferEncoding", 505: "httpVersie"}.get(status, "geenHttp")
    error = Malformed(code, "De aanroep is geen geldige HTTP/1.1.")
    outgoing = problems.render(error, instance="", transaction_id=transaction_id)
    outgoing.headers.extend(fixed_headers(transaction_id))
    return outgoing


def _refuse(error: Exception, raw_path: bytes, transaction_id: UUID, catalogue: Catalogue) -> Outgoing:
    """Turn whatever went wrong into an answer; what nobody foresaw is logged by its type and place, without its text."""
    instance = raw_path.decode("ascii", "replace")
    if not isinstance(error, KoppelpuntError):
        _log.error("onverwacht", transactie=str(transaction_id), soort=type(error).__name__, plaats=_place(error))
        return problems.render_unexpected(instance=instance, transaction_id=transaction_id)
    if isinstance(error, Malformed):
        _log.info("onleesbaar", transactie=str(transaction_id), code=error.code)
    found = catalogue.find(instance)
    return problems.render(
        error, instance=instance, transaction_id=transaction_id, api=None if found is None else found[1]
    )


async def _read(
    scope: Scope, receive: Receive, headers: dict[str, str], limits: Limits, arrivals: Arrivals, transaction_id: UUID
) -> Received:
    path = read_path(scope["raw_path"])
    query = read_query(scope["query_string"])
    trace = read_trace(headers.get("traceparent"), transaction_id)
    source, certificate = arrivals.read(scope, headers)
    whole = scope.get("extensions", {}).get(WHOLE_BODY)
    body = await read_body(receive, headers, most=limits.body, seconds=limits.body_seconds, whole=whole)
    return Received(
        id=transaction_id,
        # The id holds the time in its first 48 bits, in milliseconds.
        received=(transaction_id.int >> 80) / 1000,
        method=scope["method"],
        path=path,
        query=query,
        headers=headers,
        body=body,
        source=source,
        trace_id=trace.trace_id,
        traceparent=trace.traceparent,
        certificate=certificate,
        caller_span=trace.caller_span,
    )


def make_bevraging(received: Received, environment: Environment, api: Api, subpath: str) -> Bevraging:
    """Return the call that a request makes of an API, with its first fault. Pure."""
    fault, operation, ids, question, content = _read_question(received, api, subpath)
    return Bevraging(
        id=received.id,
        received=received.received,
        method=received.method,
        path=received.path,
        environment=environment,
        api=api,
        operation=operation,
        subpath=subpath,
        query=received.query,
        headers=received.headers,
        body=received.body,
        question=question,
        source=received.source,
        trace_id=received.trace_id,
        traceparent=received.traceparent,
        fault=fault,
        message_ids=ids,
        content=content,
        certificate=received.certificate,
        caller_span=received.caller_span,
    )


def check_shape(bevraging: Bevraging) -> None:
    """Raise AsRvig for a call that RvIG would refuse unread. To be called when the caller is known, not before."""
    if bevraging.fault is not None:
        raise AsRvig(bevraging.fault)


def _read_question(
    received: Received, api: Api, subpath: str
) -> tuple[ProblemShape | None, str, tuple[str, ...], Question, object]:
    if api.kind in TYPES:
        fault = _fault_before_body(received)
        value = decode_json(received.body) if fault is None else NOTHING
        return fault or checks.check_body(value), "bevragen", (), read_question(api.kind, value), value
    question = Question(api.kind, None)
    if api is NO_API:
        return _fault_before_body(received) or NOT_FOUND, "onbekend", (), question, NOTHING
    if api.kind != "berichten":
        fault = None if received.method in api.methods else METHOD_NOT_ALLOWED
        return fault or _fault_of_unasked_body(received), received.method.lower(), (), question, NOTHING
    route = berichten.read_route(received.method, subpath)
    if isinstance(route, ProblemShape):
        return route, "onbekend", (), question, NOTHING
    fault = _fault_of_unasked_body(received)
    if route.operation is berichten.Operation.SEND:
        value = decode_json(received.body)
        fault = NO_JSON if value is NOTHING else berichten.check_send(value)
    return fault, route.operation.value, route.ids, question, NOTHING


def _fault_before_body(received: Received) -> ProblemShape | None:
    headers = received.headers
    return (
        checks.check_method(received.method)
        or checks.check_accept_list(headers.get("accept"))
        or checks.check_content_type(headers.get("content-type"))
    )


def _fault_of_unasked_body(received: Received) -> ProblemShape | None:
    """A body where HTTP gives it no meaning (RFC 9110, 9.3) is for nobody; it may be another request in disguise."""
    return UNASKED_BODY if received.body and received.method in {"GET", "HEAD", "DELETE"} else None


def _roots(catalogue: Catalogue) -> dict[str, Environment]:
    """The first segment of the paths of each environment: what lies below it is answered as RvIG would."""
    return {
        f"/{path.split('/')[1]}/": environment
        for path, environment in (
            (api.path, environment) for environment in catalogue.environments.values() for api in environment.apis
        )
    }


def _unknown(path: str, roots: Mapping[str, Environment]) -> tuple[Environment, Api, str] | None:
    environment = roots.get(path[: path.find("/", 1) + 1])
    return None if environment is None else (environment, NO_API, path)


def _place(error: BaseException) -> str:
    """File and line where it arose, which say nothing about anybody."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}"


async def _other(scope: Scope, receive: Receive, send: Send) -> None:
    """Lifespan has nothing to do here; a WebSocket is refused."""
    if scope["type"] == "lifespan":
        for step in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{step}.complete"})
    elif scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
