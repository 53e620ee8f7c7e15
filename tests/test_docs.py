"""README and docs say what the code does: tables are compared with their sources."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.readme import ERRORS_PAGE, errors_page, filled
from wallet_mcp.server.prompts import list_prompts
from wallet_mcp.server.tools import TOOLS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()


def test_the_generated_parts_of_the_readme_are_up_to_date() -> None:
    assert filled(README) == README, "run: python -m tests.support.readme"


def test_the_errors_page_is_up_to_date() -> None:
    assert ERRORS_PAGE.read_text(encoding="utf-8") == errors_page(), "run: python -m tests.support.readme"


def test_every_setting_is_in_the_readme() -> None:
    source = (ROOT / "wallet_mcp" / "settings.py").read_text()
    names = set(re.findall(r'reader\.\w+\(\s*"([A-Z_]+)"', source))
    names |= {"WALLETS", "API_KEY", "SECRET_KEY", "PRIVATE_KEY", "PRIVATE_KEY_PASSPHRASE"}
    names |= {f"{name}_FILE" for name in ("API_KEY", "SECRET_KEY", "PRIVATE_KEY", "PRIVATE_KEY_PASSPHRASE")}
    lifetimes = (ROOT / "wallet_mcp" / "wallet_api" / "endpoints.py").read_text()
    names |= {f"CACHE_{name.upper()}" for name in re.findall(r"^    (\w+_s): float = ", lifetimes, re.M)} - {
        "CACHE_MAX_STALE_S"
    }
    assert len(names) > 20
    documented = set(re.findall(r"`WALLET_MCP_([A-Z_]+)`", README))
    assert names == documented


@pytest.mark.parametrize("name", [tool.name for tool in TOOLS])
def test_every_tool_is_in_the_readme(name: str) -> None:
    assert f"| `{name}` |" in README


@pytest.mark.parametrize("name", [prompt.name for prompt in list_prompts()])
def test_every_prompt_is_in_the_readme(name: str) -> None:
    assert f"`{name}`" in README


def test_the_house_of_the_architecture_page_is_the_folder_listing() -> None:
    house = ARCHITECTURE.split("```")[1]
    for package in ("wallet_api", "wallet", "server"):
        for module in (ROOT / "wallet_mcp" / package).glob("*.py"):
            if module.name != "__init__.py":
                assert re.search(rf"\b{re.escape(module.name)}\b", house), f"{package}/{module.name} is not described"
    named = set(re.findall(r"\b([a-z_]+\.py)\b", house))
    present = {path.name for path in (ROOT / "wallet_mcp").rglob("*.py")}
    assert named <= present
