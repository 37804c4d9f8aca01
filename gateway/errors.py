"""What can go wrong, sorted by who must act. No HTTP in here: `gateway.problems` maps each class to a document.

KoppelpuntError
├── CallerError              the taaksysteem's makers must act
│   ├── Malformed            the request cannot be read
│   ├── NotAuthenticated     credentials missing, wrong or expired
│   ├── NotPermitted         known caller, but not this
│   ├── AsRvig               RvIG would refuse this too: the answer is RvIG's own document
│   └── TooMany              over a rate or a ration
├── TenantError              the tenant's beheerder must act
│   └── Blocked              a blokkade, or withdrawn, or expired
│       └── PatternUnmet     the aansluiting is not as its aansluitpatroon wants it
├── OperatorError            the operator must act
│   ├── IdentityUnavailable  a key or secret does not open, or contradicts the registry
│   ├── IdpUnavailable       the keys of a tenant's IDP are not known, or too old
│   └── RegisterUnavailable  the register cannot be written
├── TokenError               RvIG's token endpoint
│   ├── TokenRefused         RvIG refuses the credentials; `code` says how
│   └── TokenUnavailable     no token could be had in time
└── UpstreamUnavailable      RvIG's API gave no usable answer

Texts are Dutch because callers read them; they never hold personal data or secrets.
"""

from gateway.brp.problems import ProblemShape


class KoppelpuntError(Exception):
    """A refusal with a code of its own (camelCase, stable), a Dutch detail, and the place on the path.

    `place` is gateway, token, upstream or register. `sent` says whether RvIG may have had the call. `headers` go into the
    answer beside those that every refusal has.
    """

    place = "gateway"

    def __init__(self, code: str, detail: str, *, sent: bool = False, retry_after: int | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail
        self.sent = sent
        self.retry_after = retry_after
        self.headers: list[tuple[bytes, bytes]] = []


class CallerError(KoppelpuntError):
    """The makers of the taaksysteem must act."""


class Malformed(CallerError):
    """The request cannot be read as what it says it is."""


class NotAuthenticated(CallerError):
    """The credentials are missing, wrong, expired or contradict each other."""


class NotPermitted(CallerError):
    """The caller is known, and may not do this."""


class AsRvig(CallerError):
    """What RvIG refuses, refused here: `shape` is the problem that RvIG would have given, word for word."""

    def __init__(self, shape: ProblemShape) -> None:
        super().__init__(shape.code or "rvig", shape.detail or shape.title)
        self.shape = shape


class TooMany(CallerError):
    """A rate limit or a ration of places or memory is used up."""


class TenantError(KoppelpuntError):
    """The tenant's beheerder must act."""


class Blocked(TenantError):
    """A blokkade, a withdrawal or an expiry stands in the way; the register said so."""


class PatternUnmet(Blocked):
    """The aansluiting is not as its aansluitpatroon wants it: certificate, agreements, mandate or authorisation."""


class OperatorError(KoppelpuntError):
    """The operator must act."""


class IdentityUnavailable(OperatorError):
    """A certificate, key or secret cannot be used: it does not open, or it contradicts the registry."""


class IdpUnavailable(OperatorError):
    """The keys of a tenant's IDP are not known, or too old: its tokens cannot be judged."""


class RegisterUnavailable(OperatorError):
    """The register cannot be written; nothing leaves and nothing is answered."""

    place = "register"


class TokenError(KoppelpuntError):
    """RvIG's token endpoint stands in the way."""

    place = "token"


class TokenRefused(TokenError):
    """RvIG refused the token request, or gave a token whose claims contradict the aansluiting."""


class TokenUnavailable(TokenError):
    """No token could be had in time."""


class UpstreamUnavailable(KoppelpuntError):
    """RvIG's API gave no usable answer; `sent` says whether it may have processed the call."""

    place = "upstream"
