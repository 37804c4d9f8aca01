"""The page about configuration says what the code reads, name by name and default by default."""

import re
from pathlib import Path

import pytest
from pydantic_core import PydanticUndefined

from gateway.catalogue import read_catalogue
from gateway.config import ConfigError, GatewayConfig
from gateway.places import Limits
from tenants.config import SealerConfig, TenantsConfig
from tenants.settings import Settings

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "configuration.md").read_text(encoding="utf-8")
PROCESSES: dict[str, type[Settings]] = {"gateway": GatewayConfig, "tenants": TenantsConfig, "sealer": SealerConfig}


def told(process: str) -> dict[str, str]:
    """Name to default, as the process's table has it."""
    section = PAGE.partition(f"## {process}\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| `([A-Z_]+)` \| (.+?) \|", section, re.MULTILINE))


def shown(default: object) -> str:
    if default is PydanticUndefined:
        return "required"
    return "none" if default in {None, "", ()} or default == frozenset() else f"`{default}`"


@pytest.mark.parametrize("process", PROCESSES)
def test_every_setting_stands_on_the_page_with_its_default(process: str) -> None:
    fields = PROCESSES[process].model_fields
    assert told(process) == {name.upper(): shown(field.default) for name, field in fields.items()}


def test_unknown_missing_and_wrong_names_are_told_together_and_no_value_with_them() -> None:
    environ = {
        "KOPPELPUNT_DATABASE_URL": "postgresql://u:geheim@h/d",
        "KOPPELPUNT_LOPP": "x",
        "KOPPELPUNT_BODY_LIMIT": "veel",
    }
    with pytest.raises(ConfigError) as caught:
        GatewayConfig.read(environ)
    said = str(caught.value)
    assert all(
        name in said for name in ("KOPPELPUNT_LOPP", "KOPPELPUNT_BODY_LIMIT", "KOPPELPUNT_IDENTITY_KEYRING_FILE")
    )
    assert "geheim" not in said
    assert "veel" not in said


def test_one_aansluiting_whose_calls_hang_leaves_its_taaksysteems_tenant_most_of_its_places() -> None:
    environments = read_catalogue().environments.values()
    most = max(environment.concurrency for environment in environments) + Limits().queue
    assert most * 2 <= GatewayConfig.model_fields["calls_per_tenant"].default
