"""Whether an installation may say that its register need survive nothing: never where it asks RvIG about real people.

`DURABILITY=none` is for the demo and for tests, whose productie is a simulator. Where an environment of kind productie has
trust anchors and leads to a host that the shipped catalogue gives to RvIG's productie, what is lost is a record that the
law wants. Pure but for reading the shipped catalogue.
"""

from gateway.catalogue import Catalogue, Environment, read_catalogue
from gateway.errors import RegisterUnavailable

_KIND = "productie"


def check_keeping(durability: str, catalogue: Catalogue) -> None:
    """Raise RegisterUnavailable, an operator's error, for a register that keeps nothing of what is asked of RvIG's own productie."""
    if durability != "none":
        return
    shipped = {host for one in _productie(read_catalogue()) for host in one.hosts}
    asked = [one.name for one in _productie(catalogue) if one.trust_anchors_file and shipped.intersection(one.hosts)]
    if asked:
        raise RegisterUnavailable(
            "registerBewaartNiets",
            f"KOPPELPUNT_DURABILITY=none bewaart niets, en {', '.join(asked)} leidt naar de productie van RvIG: "
            "kies standby, of disk voor één server.",
        )


def _productie(catalogue: Catalogue) -> list[Environment]:
    return [one for one in catalogue.environments.values() if one.kind == _KIND]
