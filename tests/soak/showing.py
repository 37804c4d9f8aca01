"""What a run shows while it goes on: the seed, each fault as it begins, and figures. In a terminal a line that changes."""

import time
from collections import Counter
from dataclasses import dataclass, field

from rich.console import Console
from rich.status import Status
from rich.table import Table

from tests.soak.plan import Fault
from tests.soak.traffic import Traffic


@dataclass(slots=True)
class Show:
    console: Console
    status: Status
    seconds: float
    began: float = field(default_factory=time.monotonic)
    doing: dict[str, str] = field(default_factory=dict)

    def begins(self, fault: Fault, calls: int) -> None:
        self.doing[fault.lane] = fault.name
        self.console.print(f"{time.monotonic() - self.began:7.1f} s  {calls:7} calls  {fault.lane:10} {fault.name}")

    def ends(self, fault: Fault) -> None:
        self.doing.pop(fault.lane, None)

    def now(self, traffic: Traffic) -> None:
        gone = time.monotonic() - self.began
        answered = sum(1 for one in traffic.ledger if one.status == 200)
        lanes = ", ".join(f"{lane}: {name}" for lane, name in self.doing.items())
        self.status.update(
            f"{gone:.0f} of {self.seconds:.0f} s, {len(traffic.ledger)} calls, {answered} answered; {lanes}"
        )

    def says(self, text: str) -> None:
        self.console.print(f"{time.monotonic() - self.began:7.1f} s  {text}")

    def table(self, title: str, figures: Counter[str]) -> None:
        made = Table(title=title, title_justify="left")
        made.add_column("what")
        made.add_column("times", justify="right")
        for name, count in figures.most_common():
            made.add_row(name, str(count))
        self.console.print(made)
