"""Whether RvIG would take a question, judged before it costs a call. Pure but for the counting and logging of it.

Two judgements, each at its place in RvIG's order (401, 405, 406, 415, 404, 400, 403):

- `judge_question`: its form, by RvIG's validation (400). It needs no aansluiting, so it comes before every 403, our own
  of the machtiging included: whoever gets a 400 must first ask something that can be answered at all.
- `judge_authorisation`: the autorisatiebesluit of the afnemer that was chosen (403). It comes after `choose`, because
  only that says whose besluit it is; so a machtiging, which is narrower, is heard first.

What they do with a question that RvIG would refuse is a setting of the environment, because RvIG's rules move: *refuse*
it with RvIG's own document, or *observe*: let it through, count it and log its code. Validation can also be *off*. No
setting here touches the machtiging. The besluit says nothing of addresses: whether a bewoning lies in the own gemeente
is RvIG's to judge, and so is every question to an API without rules here, such as the Berichten.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime

import structlog

from gateway.besluiten import rights_of
from gateway.brp import problems
from gateway.brp.authorisation import authorise, dutch_date
from gateway.brp.problems import ProblemShape
from gateway.brp.validation import validate
from gateway.call import Bevraging, Choice
from gateway.errors import AsRvig
from gateway.metrics import Metrics
from gateway.snapshot import Snapshot

Today = Callable[[], date]

_log = structlog.get_logger("koppelpunt.judging")


def dutch_today() -> date:
    """The date in the Netherlands now."""
    return dutch_date(datetime.now(UTC))


def judge_question(bevraging: Bevraging, metrics: Metrics) -> None:
    """Raise AsRvig (400) for a question that RvIG would not take, unless its environment observes or is off."""
    mode = bevraging.environment.validation
    if mode == "off":
        return
    faults = validate(bevraging.api.kind, bevraging.content)
    if faults:
        shape = problems.invalid_params(faults)
        if mode == "refuse":
            raise AsRvig(shape)
        _observe(bevraging, shape, metrics, kinds=sorted({fault.code for fault in faults}))


def judge_authorisation(
    bevraging: Bevraging, choice: Choice, snapshot: Snapshot, metrics: Metrics, today: Today = dutch_today
) -> None:
    """Raise AsRvig (403) for a question that the afnemer's besluit does not allow, unless its environment observes."""
    shape = authorise(bevraging.question, rights_of(choice.aansluiting, snapshot), today())
    if shape is not None:
        if choice.environment.authorisation == "refuse":
            raise AsRvig(shape)
        _observe(bevraging, shape, metrics, aansluiting=choice.aansluiting.aansluiting_id)


def _observe(bevraging: Bevraging, shape: ProblemShape, metrics: Metrics, **facts: object) -> None:
    """Count and log that RvIG will refuse this: by its code, never by what was asked."""
    code = shape.code or str(shape.status)
    metrics.observed(bevraging.environment.name, code).inc()
    _log.warning(
        "doorgelaten",
        transactie=str(bevraging.id),
        omgeving=bevraging.environment.name,
        api=bevraging.api.name,
        code=code,
        **facts,
    )
