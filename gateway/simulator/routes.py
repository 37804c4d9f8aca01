"""Which path is what: the token endpoint, one of the question APIs, or Berichten with what follows its base. Pure.

Of the question APIs only the last part of the path counts, as at RvIG, once the path lies under a known base.
"""

from dataclasses import dataclass
from typing import Final, Literal

from gateway.simulator.settings import Environment, SimulatorSettings

QUESTION_APIS: Final = frozenset({"personen", "bewoningen", "verblijfplaatshistorie", "reisdocumenten"})


@dataclass(frozen=True, slots=True)
class Route:
    """`api` is None for an unknown resource. `rest` is the path within Berichten, without its base."""

    kind: Literal["token", "api"]
    api: str | None = None
    environment: Environment | None = None
    rest: str = ""


class Routes:
    """Finds the route of a path; remembers those of question APIs, which are few."""

    def __init__(self, settings: SimulatorSettings) -> None:
        self._settings = settings
        self._known: dict[str, Route] = {settings.token_path: Route("token", "token")}

    def find(self, path: str) -> Route:
        found = self._known.get(path)
        if found is None:
            found = self._resolve(path)
            if found.api in QUESTION_APIS and len(self._known) < 1000:
                self._known[path] = found
        return found

    def _resolve(self, path: str) -> Route:
        for base in self._settings.bases:
            if not path.startswith(base.prefix + "/"):
                continue
            berichten = base.prefix + self._settings.berichten_path
            if path.startswith(berichten + "/"):
                return Route("api", "berichten", base.environment, path[len(berichten) :])
            last = path.rsplit("/", 1)[1]
            return Route("api", last if last in QUESTION_APIS else None, base.environment)
        return Route("api")
