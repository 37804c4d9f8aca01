"""What RvIG checks of a call before it reads the question, in its order: 405, 406, 415, 404, 400.

Every check returns the problem or None; the first that fails makes the answer. The 401 that comes before them
and the 403 that comes after belong to others.
"""

from typing import Final

from gateway.brp import problems
from gateway.brp.apis import TYPES
from gateway.brp.problems import ProblemShape

_JSON: Final = frozenset({"", "application/json", "application/json;charset=utf-8"})
_ACCEPTED: Final = _JSON | {"*/*", "*/*;charset=utf-8"}


def check_method(method: str) -> ProblemShape | None:
    """405 for every method but POST."""
    return None if method == "POST" else problems.METHOD_NOT_ALLOWED


def check_accept(value: str | None) -> ProblemShape | None:
    """406 for an Accept that is not JSON or anything, in UTF-8; absent and empty pass.

    RvIG compares the whole value, so it refuses every list of media types.
    """
    return None if value is None or _bare(value) in _ACCEPTED else problems.NOT_ACCEPTABLE


def check_accept_list(value: str | None) -> ProblemShape | None:
    """As `check_accept`, but a list passes when one of its members does: what HTTP means by it (RFC 9110, 12.5.1).

    For a caller whose library sends `application/json, text/plain, */*`; a weight of zero excludes a member.
    """
    if value is None or _bare(value) in _ACCEPTED:
        return None
    for member in value.split(","):
        media, *parameters = _bare(member).split(";")
        weights = [parameter[2:] for parameter in parameters if parameter.startswith("q=")]
        others = [parameter for parameter in parameters if not parameter.startswith("q=")]
        if media and ";".join([media, *others]) in _ACCEPTED and not any(_is_zero(weight) for weight in weights):
            return None
    return problems.NOT_ACCEPTABLE


def check_content_type(value: str | None) -> ProblemShape | None:
    """415 for a Content-Type that is not JSON in UTF-8; absent and empty pass."""
    return None if value is None or _bare(value) in _JSON else problems.UNSUPPORTED_MEDIA_TYPE


def check_resource(path: str) -> ProblemShape | None:
    """404 for a path whose last part is no name of an API; RvIG looks at nothing else of it."""
    return None if path.rpartition("/")[2] in TYPES else problems.NOT_FOUND


def check_body(body: object) -> ProblemShape | None:
    """400 for a body that is JSON but no object; pass None for what could not be decoded at all."""
    return None if isinstance(body, dict) else problems.NO_JSON


def check_call(method: str, accept: str | None, content_type: str | None, path: str) -> ProblemShape | None:
    """All checks that need no body, in RvIG's order."""
    return check_method(method) or check_accept(accept) or check_content_type(content_type) or check_resource(path)


def _bare(value: str) -> str:
    """Letter case and white space do not matter."""
    return "".join(value.split()).lower()


def _is_zero(weight: str) -> bool:
    return weight.strip("0") in {"", "."}
