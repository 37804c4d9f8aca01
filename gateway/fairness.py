"""Who still gets a place when places get scarce. Pure.

The rule is that of dynamic thresholds (Choudhury and Hahne, 1998): whoever holds less than a share of what is *free* gets one more.
While there is room nobody notices it. As places go, the most that one may hold goes down with them, first for whoever holds
most; whoever holds nothing gets a place as long as there is one. Those that keep asking end up with equally many, and those
that ask less get all that they ask for (max-min fair), and some places always stay free for whoever comes next: of C places
k greedy ones, all together, leave C / (1 + share * k) in the long run, and C / (1 + share)^k at the very worst moment.
"""

from typing import Final

OF_CALLS: Final = 0.5
"""One tenant alone holds a third of the places at most, four of them together two thirds."""

OF_HANDSHAKES: Final = 1.0
"""One address alone holds half of them: many callers may come from behind one."""

OF_CONNECTIONS: Final = 7.0
"""One address alone holds seven eighths of them: all callers may come from behind one balancer. An eighth is for the others."""


def has_room(held: int, free: int, share: float) -> bool:
    """Whether whoever holds `held` places gets one of the `free` ones."""
    return held < share * free
