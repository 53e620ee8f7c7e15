"""What a wheel, a bundle and the pinned versions hold, as far as it can be told without building one."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import wallet_mcp
from tests.support.manifest import live_parts, read_manifest
from wallet_mcp.server.resources_dir import PACKAGED_NAME
from wallet_mcp.settings import Settings, load_settings

ROOT = Path(__file__).parents[1]
PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")


def read_pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def read_pins() -> list[str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def needed(requirements: Iterable[str], seen: set[tuple[str, str]]) -> Iterator[str]:
    """Names of all installed distributions that the requirements lead to in this environment."""
    for text in requirements:
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        for extra in ("", *sorted(requirement.extras)):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            yield name
            found = distribution(name).requires or ()
            yield from needed((each for each in found if _applies(Requirement(each), extra)), seen)


def pinned() -> dict[str, str]:
    """Name -> version of constraints.txt."""
    return {canonicalize_name(name): pin for name, _, pin in (line.partition("==") for line in read_pins())}


def _applies(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def test_the_version_is_the_same_everywhere() -> None:
    stated = read_pyproject()["project"]["version"]
    assert wallet_mcp.__version__ == stated
    assert read_manifest()["version"] == stated
    assert version("wallet-mcp") == stated
    assert str(Version(stated)) == stated


def test_the_wheel_carries_the_prompts_and_the_data_files() -> None:
    wheel = read_pyproject()["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == ["wallet_mcp"]
    assert wheel["force-include"] == {"prompts": f"wallet_mcp/{PACKAGED_NAME}"}
    assert (ROOT / "prompts" / "remediation.toml").is_file()
    assert not (ROOT / "wallet_mcp" / PACKAGED_NAME).exists(), "a copy in the checkout would hide the prompts folder"
    assert (ROOT / "wallet_mcp" / "py.typed").is_file()


def test_the_command_leads_to_a_function_of_ours() -> None:
    from wallet_mcp.cli.main import main

    assert read_pyproject()["project"]["scripts"] == {"wallet-mcp": f"{main.__module__}:{main.__qualname__}"}


def test_the_licence_is_there() -> None:
    project = read_pyproject()["project"]
    assert (project["license"], project["license-files"]) == ("MIT", ["LICENSE"])
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")


@pytest.mark.parametrize("pin", read_pins())
def test_a_pin_is_one_exact_version_and_no_address(pin: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", pin)


def test_pins_are_sorted_out_and_no_line_holds_an_address() -> None:
    names = [canonicalize_name(pin.partition("==")[0]) for pin in read_pins()]
    assert len(set(names)) == len(names)
    assert "://" not in (ROOT / "constraints.txt").read_text(encoding="utf-8")


def test_every_distribution_that_we_lead_to_is_pinned_to_what_is_installed() -> None:
    project = read_pyproject()["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    installed = {name: version(name) for name in needed(asked, set())}
    pins = pinned()
    assert {"mcp", "httpx", "pydantic-core", "starlette", "iniconfig"} <= installed.keys()
    assert {name: pins.get(name) for name in installed} == installed


def test_a_distribution_that_is_not_installed_is_not_taken_for_pinned() -> None:
    with pytest.raises(PackageNotFoundError):
        list(needed(["no-distribution-of-this-name>=1"], set()))


def test_every_pin_keeps_the_bounds_that_we_state() -> None:
    pyproject = read_pyproject()
    project = pyproject["project"]
    pins = pinned()
    stated = [
        *project["dependencies"],
        *project["optional-dependencies"]["dev"],
        *pyproject["build-system"]["requires"],
    ]
    for requirement in map(Requirement, stated):
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), requirement.name


def test_uv_gets_the_same_pins() -> None:
    assert read_pyproject()["tool"]["uv"]["constraint-dependencies"] == read_pins()


@pytest.mark.anyio
async def test_the_manifest_lists_what_the_live_server_lists() -> None:
    live = await live_parts()
    stated = read_manifest()
    hint = "bring it up to date with: python -m tests.support.manifest"
    assert len(live["tools"]) >= 6
    assert len(live["prompts"]) >= 4
    for part in live:
        assert stated[part] == live[part], hint


def test_the_manifest_starts_the_command_through_uv() -> None:
    manifest = read_manifest()
    project = read_pyproject()["project"]
    server = manifest["server"]
    assert (manifest["manifest_version"], manifest["name"], server["type"]) == ("0.4", project["name"], "uv")
    assert (ROOT / server["entry_point"]).is_file()
    config = server["mcp_config"]
    command = [config["command"], *config["args"]]
    assert command == ["uv", "run", "--directory", "${__dirname}", *project["scripts"]]
    assert manifest["compatibility"]["runtimes"]["python"] == project["requires-python"]
    assert manifest["license"] == project["license"]
    assert manifest["privacy_policies"]
    assert all(url.startswith("https://") for url in manifest["privacy_policies"])


def test_no_credential_of_the_manifest_is_shown_and_no_field_is_left_without_a_default() -> None:
    options = read_manifest()["user_config"]
    for name in ("api_key", "secret_key", "private_key_passphrase"):
        assert options[name]["sensitive"] is True
    for name, option in options.items():
        # Without one, a field left blank would reach the server as its placeholder.
        assert option["required"] is False, name
        assert option["default"] == ("" if option["type"] in ("string", "file") else False), name
        assert option["title"], name
        assert option["description"], name


def started_with(choices: dict[str, str]) -> Settings:
    """The settings of a server whose bundle's fields are filled in so; a field not named gets its default."""
    manifest = read_manifest()
    blank = {name: str(option["default"]).lower() for name, option in manifest["user_config"].items()}
    values = {f"user_config.{name}": value for name, value in (blank | choices).items()}
    assert len(values) == len(blank)
    environment = manifest["server"]["mcp_config"]["env"]
    return load_settings(
        {name: PLACEHOLDER.sub(lambda match: values[match[1]], text) for name, text in environment.items()}
    )


def test_the_fields_of_the_manifest_reach_the_settings(tmp_path: Path) -> None:
    nothing = load_settings({})
    assert started_with({}) == nothing
    # A host that fills in no default leaves the placeholders.
    assert load_settings(read_manifest()["server"]["mcp_config"]["env"]) == nothing
    assert started_with({"sandbox": "true"}).sandbox
    assert started_with({"api_key": "BX-key", "secret_key": "secret"}).usable
    (tmp_path / "key.pem").write_text("no PEM")
    told = started_with({"api_key": "BX-key", "private_key_file": str(tmp_path / "key.pem")}).bad_credentials
    assert len(told) == 1
    assert "PEM" in told[0]


def test_every_field_of_the_manifest_is_used_by_its_environment() -> None:
    manifest = read_manifest()
    used = {name for text in manifest["server"]["mcp_config"]["env"].values() for name in PLACEHOLDER.findall(text)}
    assert used == {f"user_config.{name}" for name in manifest["user_config"]}


def read_server_json() -> dict[str, Any]:
    return dict(json.loads((ROOT / "server.json").read_text(encoding="utf-8")))


def test_the_registry_entry_keeps_the_registry_s_rules() -> None:
    entry = read_server_json()
    assert re.fullmatch(r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+", entry["name"])
    assert 3 <= len(entry["name"]) <= 200
    assert 1 <= len(entry["description"]) <= 100
    assert len(entry["title"]) <= 100
    assert set(entry) == {"$schema", "name", "title", "description", "version", "packages"}
    for package in entry["packages"]:
        assert package["registryType"] == "pypi"
        assert package["transport"] == {"type": "stdio"}


def test_the_registry_entry_is_about_this_version_of_this_package() -> None:
    project = read_pyproject()["project"]
    entry = read_server_json()
    assert entry["version"] == project["version"]
    assert [(each["identifier"], each["version"]) for each in entry["packages"]] == [
        (project["name"], project["version"])
    ]
    # By this comment the registry knows that the package and the entry have the same owner.
    assert f"<!-- mcp-name: {entry['name']} -->" in (ROOT / project["readme"]).read_text(encoding="utf-8")


def test_the_settings_of_the_registry_entry_are_ours_and_secrets_are_marked() -> None:
    (package,) = read_server_json()["packages"]
    variables = {each["name"]: each for each in package["environmentVariables"]}
    assert load_settings(dict.fromkeys(variables, "x")).notes == ()
    for name, variable in variables.items():
        assert variable.get("isSecret", False) is name.endswith(("API_KEY", "SECRET_KEY", "PASSPHRASE")), name
        assert variable["isRequired"] is False, name
        assert variable["description"], name
    assert load_settings({"WALLET_MCP_SANDBOX": variables["WALLET_MCP_SANDBOX"]["default"]}) == load_settings({})


def test_the_container_is_built_from_what_there_is_and_runs_without_rights() -> None:
    steps = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    build, final = "\n".join(steps).split("\nFROM ")[-2:]
    for line in re.findall(r"^COPY (?!--from)(.*) \S+$", build, re.M):
        for name in line.split():
            assert (ROOT / name).exists(), name
            assert f"!{name}" in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert re.search(r"^USER [1-9]\d*$", final, re.M)
    assert not re.search(r"\b(apt-get|gcc|pip install|COPY (?!--from))", final)
    (entry,) = re.findall(r"^ENTRYPOINT (.*)$", final, re.M)
    assert json.loads(entry)[1:] == ["-P", "-m", "wallet_mcp"]
    pythons = set(re.findall(r"FROM python:(\S+)-slim", "\n".join(steps)))
    assert len(pythons) == 1
    assert f"Programming Language :: Python :: {pythons.pop()}" in read_pyproject()["project"]["classifiers"]
