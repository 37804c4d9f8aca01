"""What goes wrong, and when: made from one seed before anything begins, so that the same seed gives the same plan.

Pure. Faults stand in lanes. Those of one lane come one after the other, those of different lanes meet. In each lane every
fault comes once before any comes again.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

LANES: Final[Mapping[str, Sequence[str]]] = {
    "database": ("stop", "crash", "freeze", "read_only", "lose_standby", "cut", "fail_over"),
    "gateways": ("roll_gateway", "kill_gateway", "kill_worker", "replace_workers"),
    "processes": ("roll_tenants", "kill_tenants", "kill_sealer", "roll_sealer"),
    "upstream": (
        "slow", "hang", "reset", "reset_kept_alive", "truncated", "failing", "garbage", "no_tokens", "dead_tokens",
        "forgotten_tokens", "cut_off",
    ),
    "registry": (
        "rotate_certificate", "rotate_credential", "rotate_api_key", "rotate_idp_key", "withdraw_machtiging",
        "block_tenant", "block_afnemer", "block_oin", "block_certificaat", "block_taaksysteem",
    ),
    "beside": ("break_share", "break_collector", "hang_collector", "export", "search", "verify"),
}  # fmt: skip
"""Names of faults by lane. What is beside the calls (exports, searches) stands in the plan as well."""
PAUSES: Final[Mapping[str, float]] = {
    "database": 14.0, "gateways": 16.0, "processes": 14.0, "upstream": 6.0, "registry": 5.0, "beside": 8.0,
}  # fmt: skip
"""Mean seconds between the beginnings of two faults of a lane, when there is time enough."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`at` is in seconds from the beginning, the earliest; `seed` gives the choices that the fault makes."""

    at: float
    lane: str
    name: str
    seed: int


def make_plan(seed: int, seconds: float) -> tuple[Fault, ...]:
    """Everything that goes wrong in so many seconds, in the order of beginning. Each fault stands in it at least once."""
    made = [one for lane in LANES for one in _plan_lane(lane, random.Random(f"{seed}/{lane}"), seconds)]
    return tuple(sorted(made, key=lambda one: (one.at, one.lane)))


def _plan_lane(lane: str, chance: random.Random, seconds: float) -> list[Fault]:
    names, made = LANES[lane], list[Fault]()
    pause = min(PAUSES[lane], seconds / len(names))
    at = chance.uniform(0.0, pause)
    while at < seconds:
        for name in chance.sample(names, len(names)):
            # The first round is had whole, however short the time is; of a later one what still fits.
            if at < seconds or len(made) < len(names):
                made.append(Fault(min(at, seconds), lane, name, chance.getrandbits(32)))
            at += pause * chance.uniform(0.5, 1.5)
    return made
