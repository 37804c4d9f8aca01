"""Asks OCSP about certificates, several at a time, and tells of each that was revoked as soon as it is known.

A certificate is asked about once in `refresh`. A responder that fails rests, and its other certificates with it, so that one that
hangs costs a round no more than what is under way; and a round of questions ends, whatever they do. What was not asked is asked
in the next one. What cannot be had stops nothing: the lists say it too.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

from cryptography import x509

from tenants.fetch import FetchError, FetchRules, ask
from tenants.revocation.metrics import RevocationMetrics
from tenants.revocation.ocsp import Said, make_question, read_answer

Number = tuple[int, int]
"""A certificate by its tenant and number."""
AT_ONCE: Final = 4
_HEADERS: Final = {"Content-Type": "application/ocsp-request", "Accept": "application/ocsp-response"}
_REST: Final = 60.0
_LONGEST_REST: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Question:
    """About the first certificate of a path, to the responder that it names."""

    about: Number
    path: Sequence[x509.Certificate] = field(repr=False)
    url: str


@dataclass(slots=True)
class Responders:
    """Remembers what was asked when, and who failed. `seconds`: how long a round of questions may take."""

    rules: FetchRules | None
    metrics: RevocationMetrics
    refresh: float
    seconds: float = 60.0
    _asked: dict[Number, datetime] = field(default_factory=dict)
    _resting: dict[str, tuple[datetime, int]] = field(default_factory=dict)

    async def find_revoked(self, questions: Iterable[Question]) -> AsyncIterator[Number]:
        """What is revoked of those that are due, each as soon as it is known."""
        rules, given = self.rules, list(questions)
        self._forget(given)
        due = [one for one in given if self._is_due(one)]
        if rules is None or not due:
            return
        places = asyncio.Semaphore(AT_ONCE)

        async def put(one: Question) -> tuple[Question, Said]:
            async with places:
                # Meanwhile its responder may have failed another.
                return one, await self._put(rules, one) if self._is_due(one) else "nothing"

        asking = [asyncio.create_task(put(one)) for one in due]
        try:
            for done in asyncio.as_completed(asking, timeout=self.seconds):
                one, said = await done
                if said == "revoked":
                    yield one.about
        except TimeoutError:
            self.metrics.ocsp.labels("te_lang").inc()
        finally:
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)

    async def _put(self, rules: FetchRules, one: Question) -> Said:
        certificate, issuer = next(pairwise(one.path))
        try:
            answer = await asyncio.to_thread(ask, rules, one.url, make_question(certificate, issuer), _HEADERS)
        except FetchError as error:
            self.metrics.ocsp.labels(error.code).inc()
            failures = self._resting.get(one.url, (None, 0))[1] + 1
            rest = min(_REST * 2 ** min(failures - 1, 10), _LONGEST_REST, self.refresh)
            self._resting[one.url] = datetime.now(UTC) + timedelta(seconds=rest), failures
            return "nothing"
        now = datetime.now(UTC)
        self._resting.pop(one.url, None)
        self._asked[one.about] = now + timedelta(seconds=self.refresh * random.uniform(0.75, 1.0))
        said = read_answer(answer, certificate, issuer, now)
        self.metrics.ocsp.labels(said).inc()
        return said

    def _is_due(self, one: Question) -> bool:
        now = datetime.now(UTC)
        return self._asked.get(one.about, now) <= now and self._resting.get(one.url, (now, 0))[0] <= now

    def _forget(self, given: Iterable[Question]) -> None:
        """Of what is gone nothing is remembered."""
        known = {one.about for one in given}
        self._asked = {about: until for about, until in self._asked.items() if about in known}
