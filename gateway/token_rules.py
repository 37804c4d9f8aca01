"""When a token is used, renewed and given up, and what an answer of RvIG says of it. Pure.

What RvIG answers is compared with the environment's tables exactly; nothing is searched for in a text.
"""

from dataclasses import dataclass
from typing import Any

import orjson

from gateway.call import Answered
from gateway.catalogue import Environment, TokenTexts
from gateway.errors import KoppelpuntError, TokenError, TokenRefused, TokenUnavailable


@dataclass(frozen=True, slots=True)
class TokenTimes:
    """Times in seconds, shares of a token's life. A pause grows from the first to the second, doubling.

    A token is not used in the last `margin` of its life, and renewed in the background from `refresh` on. One that is
    refused within `fresh` of its issue counts as a failure: RvIG gives tokens that it does not honour.
    """

    margin: float = 0.1
    margin_least: float = 5.0
    margin_most: float = 60.0
    refresh: float = 0.65
    unavailable: tuple[float, float] = (0.5, 30.0)
    refused: tuple[float, float] = (5.0, 300.0)
    blocked: float = 900.0
    fresh: float = 60.0
    entries: int = 20_000

    def used_for(self, seconds: float) -> float:
        """How long a token of so many seconds is used. A margin longer than its life would cache nothing."""
        return seconds - min(max(seconds * self.margin, self.margin_least), self.margin_most, seconds / 2)

    def pause_after(self, error: KoppelpuntError, failures: int, chance: float) -> float:
        """How long nothing is asked after so many failures in a row. `chance` is from 0 up to 1."""
        if error.code == "accountGeblokkeerd":
            return self.blocked * _spread(chance)
        first, last = self.refused if isinstance(error, TokenRefused) else self.unavailable
        return min(first * 2.0 ** min(failures - 1, 30), last) * _spread(chance)


def _spread(chance: float) -> float:
    return 0.75 + chance / 2


def is_refusal(environment: Environment, answered: Answered) -> bool:
    """Whether this answer says *your token does not work*: exactly as the environment's table has it, else not.

    A blocked account is not such an answer: another token would not help, and is never asked for.
    """
    return matches(environment.token_refused, answered) and not is_blocked(environment, answered)


def may_be_refusal(environment: Environment, answered: Answered, method: str) -> bool:
    """Whether an answer without words may say it: that to HEAD, by its status alone.

    It may be the account that is blocked as well. But a HEAD asks nothing and changes nothing, and whether the account is
    blocked is said by the token endpoint, which is asked before the call could be repeated.
    """
    return (
        method == "HEAD" and not answered.body and any(t.status == answered.status for t in environment.token_refused)
    )


def refusal_of(environment: Environment, answered: Answered) -> TokenError:
    """The error that an answer other than 200 of the token endpoint means."""
    if is_blocked(environment, answered):
        return TokenRefused("accountGeblokkeerd", "RvIG heeft het account van deze aansluiting geblokkeerd.")
    if answered.status in {400, 401, 403}:
        return TokenRefused("tokenGeweigerd", "RvIG weigert een token voor deze aansluiting.")
    return TokenUnavailable("tokenStoring", "Het tokenendpoint van RvIG is gestoord.")


def is_blocked(environment: Environment, answered: Answered) -> bool:
    """Whether RvIG says that the account is blocked, in the exact words of the environment's table."""
    return matches(environment.account_blocked, answered)


def matches(texts: tuple[TokenTexts, ...], answered: Answered) -> bool:
    """Whether one of the table's rows is exactly this answer. A code may also be the last part of the `type`."""
    rows = [text for text in texts if text.status == answered.status]
    if not rows:
        return False
    document = document_of(answered)
    kind = document.get("type")
    codes = {document.get("code") if isinstance(document.get("code"), str) else None}
    codes.add(kind.rpartition("/")[2] if isinstance(kind, str) else None)
    return any(
        (row.detail is None or row.detail == document.get("detail"))
        and (row.code is None or row.code in codes)
        and (row.error is None or row.error == document.get("error"))
        for row in rows
    )


def document_of(answered: Answered) -> dict[str, Any]:
    """The object that the body of an answer is; empty for any other body."""
    try:
        document = orjson.loads(answered.body)
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}
