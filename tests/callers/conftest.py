"""A mint of the gateway's own tokens, and a registry to authenticate against."""

import pytest

from gateway.issued import TokenMint, make_signing_keys, read_signing_keys
from tests.callers.standing import ISSUER, Standing


@pytest.fixture(scope="session")
def mint(tmp_path_factory) -> TokenMint:
    path = tmp_path_factory.mktemp("keys") / "token.keys"
    path.write_text(make_signing_keys())
    return TokenMint(read_signing_keys(path), ISSUER)


@pytest.fixture
def standing(mint) -> Standing:
    return Standing(mint)
