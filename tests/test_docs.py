"""README and docs say what the code does: tables, names and links are compared with their sources."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.pages import PAGES, ROOT, anchors, blocks, links, spans, table_after, text_of
from tests.support.readme import ERRORS_PAGE, EXAMPLES, REFUSED, TRANSFER, answer, errors_page, filled
from wallet_mcp.cli.main import parser
from wallet_mcp.server.output import ToolOutput
from wallet_mcp.server.prompts import list_prompts
from wallet_mcp.server.tools import TOOLS
from wallet_mcp.settings import Settings, load_settings

README = text_of(ROOT / "README.md")
ARCHITECTURE = text_of(ROOT / "docs" / "architecture.md")
KINDS = {"sh", "text", "json", "toml", "python", "mermaid"}


class Noting(Mapping[str, str]):
    """An empty environment that notes which variables were asked for."""

    def __init__(self) -> None:
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def settings_names() -> set[str]:
    """The names of all variables that the settings are read from."""
    noting = Noting()
    load_settings(noting)
    assert len(noting.asked) > 20
    return noting.asked


def test_the_generated_parts_of_the_readme_are_up_to_date() -> None:
    assert filled(README) == README, "run: python -m tests.support.readme"


@pytest.mark.parametrize("name", ["answers", "refused", "errors"])
def test_a_readme_without_its_marks_is_not_filled(name: str) -> None:
    with pytest.raises(ValueError, match=f"no marks of {name}"):
        filled(README.replace(f"<!-- {name}:end -->", ""))


def test_the_errors_page_is_up_to_date() -> None:
    assert ERRORS_PAGE.read_text(encoding="utf-8") == errors_page(), "run: python -m tests.support.readme"


def test_each_tool_has_one_example_and_each_example_an_answer() -> None:
    assert sorted(example.tool for example in EXAMPLES) == sorted(tool.name for tool in TOOLS)
    for example in EXAMPLES:
        assert "\nComplete: " in answer(example), example.tool
        assert example.command in README
    listed, detail = (answer(example) for example in EXAMPLES if "transaction" in example.tool)
    assert TRANSFER in listed
    assert detail.startswith(f"Transaction {TRANSFER} ")
    assert " succeeded " in detail.splitlines()[0]


def test_the_refused_example_is_told_the_corrected_call() -> None:
    assert answer(REFUSED).startswith("Error 40001: ")
    assert re.search(rf'^Next step: call {REFUSED.tool} again with .*"page_size": ?100\b', answer(REFUSED), re.M)


def test_every_setting_is_in_the_readme_and_no_other() -> None:
    assert set(re.findall(r"`(WALLET_MCP_[A-Z_]+)`", README)) == settings_names()


def test_the_defaults_in_the_readme_are_those_of_the_settings() -> None:
    defaults = Settings()
    stated = {
        names.strip("`").removeprefix("WALLET_MCP_"): default.strip("`")
        for names, default, _ in table_after("README.md", "## Settings")
    }
    for name, default in stated.items():
        if not default:
            continue
        field = name.lower()
        holder = defaults.lifetimes if hasattr(defaults.lifetimes, field.removeprefix("cache_")) else defaults
        actual = getattr(holder, field if holder is defaults else field.removeprefix("cache_"))
        assert default == (actual if isinstance(actual, str) else f"{actual:g}"), name
    assert sum(bool(default) for default in stated.values()) >= 14


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_names_no_setting_that_there_is_not(page: Path) -> None:
    named = set(re.findall(r"\bWALLET_MCP_[A-Z][A-Z_]*[A-Z]\b", text_of(page)))
    assert named <= settings_names()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.is_file(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_fence_is_closed_and_says_what_it_holds(page: Path) -> None:
    here = [block for block in blocks() if block.page == page.relative_to(ROOT).as_posix()]
    assert len(re.findall(r"^ *```", text_of(page), re.M)) == 2 * len(here)
    assert {block.kind for block in here} <= KINDS


def test_every_page_is_linked_from_the_readme() -> None:
    linked = {(ROOT / link.partition("#")[0]).resolve() for link in links(ROOT / "README.md")}
    assert set(PAGES) - {ROOT / "README.md", ROOT / "CHANGELOG.md"} <= linked


@pytest.mark.parametrize("name", [tool.name for tool in TOOLS])
def test_every_tool_is_in_the_readme(name: str) -> None:
    assert f"| `{name}` |" in README


@pytest.mark.parametrize("name", [prompt.name for prompt in list_prompts()])
def test_every_prompt_is_in_the_readme(name: str) -> None:
    assert f"`{name}`" in README


def test_every_command_is_in_the_readme() -> None:
    stated = {row[0].strip("`").split()[1] for row in table_after("README.md", "## On the command line")[1:]}
    (commands,) = (action for action in parser()._actions if action.dest == "command")
    assert stated == set(commands.choices or ())


def test_the_options_of_the_sandbox_are_on_its_page() -> None:
    (commands,) = (action for action in parser()._actions if action.dest == "command")
    options = set(re.findall(r"--[a-z-]+", commands.choices["sandbox"].format_help()))  # type: ignore[index]
    page = ROOT / "docs" / "sandbox.md"
    named = {option for span in spans(page) for option in re.findall(r"--[a-z-]+", span)}
    assert options - {"--help", "--port"} <= named


def test_the_fields_of_every_answer_are_on_the_page_for_scripts() -> None:
    rows = table_after("docs/chatops.md", "## What `--json` holds")
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row[0])} == set(ToolOutput.model_fields)


def test_the_fields_that_the_page_for_scripts_explains_are_those_of_the_schemas() -> None:
    text = text_of(ROOT / "docs" / "chatops.md").split("Amounts, prices and values are", 1)[1].split("\n## ")[0]
    text = text.split("A failure is", 1)[0]
    schemas = json.dumps([tool.definition.output_schema for tool in TOOLS])
    named = set(re.findall(r"`([a-z_]+)`", text))
    assert named >= {"value_usd", "amount_raw", "parties"}
    assert {name for name in named if f'"{name}": {{' not in schemas} == set()


def test_the_house_of_the_architecture_page_is_the_folder_listing() -> None:
    (house,) = (block.text for block in blocks() if block.page == "docs/architecture.md" and block.kind == "text")
    for package in ("wallet_api", "wallet", "server"):
        for module in (ROOT / "wallet_mcp" / package).glob("*.py"):
            if module.name != "__init__.py":
                assert re.search(rf"\b{re.escape(module.name)}\b", house), f"{package}/{module.name} is not described"
    present = {path.name for folder in ("wallet_mcp", "tests") for path in (ROOT / folder).rglob("*.py")}
    assert set(re.findall(r"\b([a-z_]+\.py)\b", ARCHITECTURE)) <= present
