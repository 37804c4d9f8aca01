"""Log lines: one JSON line per call and per event. Personal data and secrets have no place in them.

A line is built from names that this module lists; a caller's text never becomes a key or a value of it. The security
log has BIO2's fields: actie, object, resultaat, oorsprong, actor, tijdstempel.
"""

import sys
from dataclasses import dataclass

import orjson
import structlog

from gateway.call import Bevraging, Caller, Choice


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


log = structlog.get_logger("koppelpunt.call")
security_log = structlog.get_logger("koppelpunt.security")


@dataclass(slots=True)
class CallRecord:
    """The facts of one call, gathered along its way and logged once, at its end. Times in milliseconds."""

    bevraging: Bevraging
    caller: Caller | None = None
    choice: Choice | None = None
    outcome: str = "geweigerd"
    code: str = ""
    upstream_ms: float = 0.0

    def write(self, status: int, seconds: float) -> None:
        """Write the call's one line."""
        caller, choice, bevraging = self.caller, self.choice, self.bevraging
        log.info(
            "bevraging",
            transactie=str(bevraging.id),
            omgeving=bevraging.environment.name,
            api=bevraging.api.name,
            operatie=bevraging.operation,
            tenant=None if choice is None else choice.aansluiting.tenant_id,
            aansluiting=None if choice is None else choice.aansluiting.aansluiting_id,
            machtiging=None if choice is None else choice.machtiging.machtiging_id,
            taaksysteem=None
            if caller is None
            else f"{caller.taaksysteem.tenant_id}/{caller.taaksysteem.taaksysteem_id}",
            resultaat=self.outcome,
            code=self.code,
            status=status,
            ms=round(seconds * 1000, 2),
            upstream_ms=round(self.upstream_ms, 2),
        )


def note_security(action: str, *, target: str, result: str, actor: str) -> None:
    """Write one line of the security log. All four are ours (ids and codes), never a caller's text."""
    security_log.warning("veiligheid", actie=action, object=target, resultaat=result, oorsprong="gateway", actor=actor)
