"""Log lines: one JSON line per call, per request for a token and per event. Personal data and secrets have no place in them.

A line is built from names that this module lists; a caller's text never becomes a key of it, and of the values two come
from a caller: the trace, thirty-two hexadecimal digits that it chose, of a known caller only; and in the security log the
address that it called from. That log has BIO2's fields: actie, object, resultaat, oorsprong, actor, tijdstempel.
"""

import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import orjson
import structlog

from gateway.call import Bevraging, Caller, Choice, Received
from gateway.metrics import Metrics
from tenants.model import Aansluiting
from tenants.origin import origin_of


def configure_logging() -> None:
    """Send every log line to standard output as one line of JSON. Called once per process."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="tijdstempel"),
            structlog.processors.JSONRenderer(serializer=orjson.dumps),
        ],
        logger_factory=structlog.BytesLoggerFactory(file=sys.stdout.buffer),
        cache_logger_on_first_use=True,
    )


_LINE: Final = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z

security_log = structlog.get_logger("koppelpunt.security")


@dataclass(slots=True)
class CallRecord:
    """The facts of one call, gathered along its way and logged and counted once, at its end. Times in seconds."""

    bevraging: Bevraging
    begun: float
    caller: Caller | None = None
    choice: Choice | None = None
    outcome: str = "onverwacht"
    code: str = "onverwacht"
    status: int = 500
    size: int = 0
    spent: dict[str, float] = field(default_factory=dict)
    _step: str = ""
    _since: float = 0.0

    def enter(self, step: str) -> float:
        """Begin a step, which ends the one before it; return the time. A step that fails ends with the call."""
        now = time.monotonic()
        if self._step:
            self.spent[self._step] = self.spent.get(self._step, 0.0) + now - self._since
        self._step, self._since = step, now
        return now

    def leave(self) -> float:
        """End the step that runs, if one does; return the time."""
        return self.enter("")

    def spend(self, **seconds: float) -> None:
        """Note what the steps took; a second round adds to the first."""
        for step, took in seconds.items():
            self.spent[step] = self.spent.get(step, 0.0) + took

    def end(self, outcome: str, code: str, status: int, size: int = 0) -> None:
        """Note how it ended: with which status, and how many bytes of RvIG's answer go back."""
        self.leave()
        self.outcome, self.code, self.status, self.size = outcome, code, status, size

    def write(self, metrics: Metrics) -> None:
        """Count the call and write its one line."""
        took = self.leave() - self.begun
        caller, choice, bevraging = self.caller, self.choice, self.bevraging
        # A call that was refused before a choice counts for the tenant that asked; one of nobody known for 0.
        asking = 0 if caller is None else caller.taaksysteem.tenant_id
        tenant = asking if choice is None else choice.aansluiting.tenant_id
        metrics.call(tenant, bevraging.api.name, self.outcome).inc()
        metrics.whole(self.outcome).observe(took)
        # One step of a call has its trace beside it, the longest: that is the one which is looked for.
        longest = max(self.spent, key=self.spent.__getitem__, default=None)
        # What nobody known chose as its trace is not written: it could be anything of thirty-two digits.
        trace = None if bevraging.trace_id is None or caller is None else bevraging.trace_id.hex
        for step, seconds in self.spent.items():
            exemplar = {"trace_id": trace} if step == longest and trace is not None else None
            metrics.step[step].observe(seconds, exemplar)
        if self.code:
            metrics.refusal(self.code).inc()
        _write_line(
            {
                "transactie": bevraging.id,
                "trace": trace,
                "omgeving": bevraging.environment.name,
                "api": bevraging.api.name,
                "operatie": bevraging.operation,
                "tenant": tenant,
                "aansluiting": None if choice is None else choice.aansluiting.aansluiting_id,
                "machtiging": None if choice is None else choice.machtiging.machtiging_id,
                "taaksysteem": None if caller is None else actor_of(caller),
                "resultaat": self.outcome,
                "code": self.code,
                "status": self.status,
                "octetten": {"vraag": len(bevraging.body), "antwoord": self.size},
                "ms": round(took * 1000, 2),
                "stappen": {step: round(seconds * 1000, 2) for step, seconds in self.spent.items()},
                "event": "bevraging",
                "level": "info",
                "tijdstempel": datetime.now(UTC),
            }
        )


@dataclass(slots=True)
class TokenRecord:
    """The facts of one request for a token of this gateway, logged and counted once, at its end."""

    received: Received
    begun: float
    caller: Caller | None = None
    aansluiting: Aansluiting | None = None
    code: str = "onverwacht"
    status: int = 500

    def end(self, code: str, status: int) -> None:
        """Note how it ended: why it was refused, '' when a token was issued, and with which status."""
        self.code, self.status = code, status

    def write(self, metrics: Metrics) -> None:
        """Count the request and write its one line."""
        caller, received = self.caller, self.received
        tenant = 0 if caller is None else caller.taaksysteem.tenant_id
        metrics.own_token(tenant, self.code or "uitgegeven").inc()
        _write_line(
            {
                "transactie": received.id,
                "trace": None if caller is None else received.trace_id.hex,
                "tenant": tenant,
                "aansluiting": None if self.aansluiting is None else self.aansluiting.aansluiting_id,
                "taaksysteem": None if caller is None else actor_of(caller),
                "resultaat": "geweigerd" if self.code else "uitgegeven",
                "code": self.code,
                "status": self.status,
                "ms": round((time.monotonic() - self.begun) * 1000, 2),
                "event": "tokenverzoek",
                "level": "info",
                "tijdstempel": datetime.now(UTC),
            }
        )


def actor_of(caller: Caller) -> str:
    """How lines name a known caller: its tenant and its taaksysteem."""
    return f"{caller.taaksysteem.tenant_id}/{caller.taaksysteem.taaksysteem_id}"


def _write_line(line: dict[str, object]) -> None:
    """Write one line as structlog would with the settings above, for a tenth of its price: there is one per call."""
    stream = sys.stdout.buffer
    stream.write(orjson.dumps(line, option=_LINE))
    stream.flush()


def note_security(action: str, *, target: str, result: str, actor: str, source: str | None = None) -> None:
    """Write one line of the security log. The first four are ours (ids and codes), never a caller's text.

    `source` is the address that the attempt came from; None for what began in the gateway itself.
    """
    security_log.warning(
        "veiligheid",
        actie=action,
        object=target,
        resultaat=result,
        oorsprong="gateway" if source is None else origin_of(source),
        onderdeel="gateway",
        actor=actor,
    )
