"""Values that are written as text, each in one way: moments and days of RFC 3339, numbers, yes and no. Pure.

pydantic reads more: `0` is a day of 1970 to it, `1_0` is ten and `on` is true. What a document says is what is meant, so
everything else is refused, and so are moments so far away that they only overflow further on.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

_YEARS: Final = range(1900, 2200)


@dataclass(frozen=True, slots=True)
class Form:
    """How a kind of value is written. `code` is pydantic's own for what is not, and has its words elsewhere."""

    pattern: re.Pattern[str]
    code: str
    adapter: TypeAdapter[Any]

    def read(self, text: str) -> Any:
        """Read a value. Raises PydanticCustomError, which does not hold what was given."""
        code = self.code
        if self.pattern.fullmatch(text) is not None:
            try:
                return self.adapter.validate_python(text)
            except ValidationError as error:
                code = error.errors(include_url=False, include_input=False)[0]["type"]
        # A template of the library may be no variable; these have nothing to fill in.
        raise PydanticCustomError(code, "Not the form in which this is written")  # type: ignore[arg-type,unused-ignore]


def _form(kind: Any, pattern: str, code: str) -> Form:
    return Form(re.compile(pattern, re.ASCII), code, TypeAdapter(kind))


_MOMENT: Final = _form(AwareDatetime, r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}.*", "datetime_parsing")
_DAY: Final = _form(date, r"[0-9]{4}-[0-9]{2}-[0-9]{2}", "date_parsing")
OF_PARAMETERS: Final[Mapping[Any, Form]] = {
    int: _form(int, r"-?(0|[1-9][0-9]*)", "int_parsing"),
    bool: _form(bool, r"true|false", "bool_type"),
}


def _read_moment(given: Any) -> Any:
    return _MOMENT.read(given) if isinstance(given, str) else given


def _read_day(given: Any) -> Any:
    return _DAY.read(given) if isinstance(given, str) else given


def _near_moment(moment: datetime) -> datetime:
    if moment.year not in _YEARS:
        raise ValueError("Een moment ligt tussen 1900 en 2200.")
    return moment


def _near_day(day: date) -> date:
    if day.year not in _YEARS:
        raise ValueError("Een dag ligt tussen 1900 en 2200.")
    return day


Moment = Annotated[AwareDatetime, BeforeValidator(_read_moment), AfterValidator(_near_moment)]
"""A moment that is given, with its zone."""
Dag = Annotated[date, BeforeValidator(_read_day), AfterValidator(_near_day)]
"""A day that is given."""
