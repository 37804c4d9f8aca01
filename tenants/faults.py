"""What can be wrong with what is asked of the registry. No HTTP in here, no personal data and no secrets in the texts."""

from collections.abc import Iterable


class RegistryError(Exception):
    """The registry does not take this; the tenant's beheerder or the operator must act."""


class InputRefused(RegistryError):
    """What was given is wrong. `faults` holds everything that is wrong with it, each as a sentence."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


class NotFound(RegistryError):
    """Nothing by that number in the tenant's scope, or not in a state in which this can be done."""


class Changed(RegistryError):
    """The row is of another version than who asks for the change has seen."""
