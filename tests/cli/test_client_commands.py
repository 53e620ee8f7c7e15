"""Whose command line it is, in a client's file and in what a client's own command shows."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_mcp.cli.client_commands import chosen_settings, is_ours, shown_is_ours, starts_our_container


@pytest.mark.parametrize(
    ("entry", "ours"),
    [
        ({"command": "wallet-mcp"}, True),
        ({"command": "/a/b/wallet-mcp", "args": ["--sandbox"]}, True),
        ({"command": "C:\\venv\\Scripts\\wallet-mcp.exe"}, True),
        ({"command": "python", "args": ["-m", "wallet_mcp"]}, True),
        ({"command": "python", "args": ["-P", "-m", "wallet_mcp", "serve"]}, True),
        ({"command": "python", "args": ["-m", "wallet_mcp_other"]}, False),
        ({"command": "python", "args": ["wallet_mcp", "-m"]}, False),
        ({"command": "npx", "args": ["my-wallet-mcp"]}, False),
        ({"command": "npx", "args": "wallet_mcp"}, False),
        ({"command": "npx", "args": ["-y", "@acme/wallet-mcp"]}, False),
        ({"command": "npx", "args": ["wallet-mcp"]}, False),
        ({"command": "uv", "args": ["--directory", "/home/u/src/wallet-mcp", "run", "server.py"]}, False),
        ({"command": "/home/u/wallet-mcp/run.sh", "args": ["wallet_mcp"]}, False),
        ({"command": "docker", "args": ["run", "-i", "wallet-mcp"]}, False),
        ({"url": "https://example.org/wallet-mcp"}, False),
        ({"command": 3, "args": ["-m", "wallet_mcp"]}, False),
        ({}, False),
    ],
)
def test_which_entries_are_ours(entry: dict[str, object], ours: bool) -> None:
    assert is_ours(entry) is ours


CLAUDE = """wallet-mcp:
  Scope: User config (available in all your projects)
  Type: stdio
  Command: {command}
  Args: {args}
  Environment:
    NOTE="-m wallet_mcp"
"""
CODEX = """wallet-mcp
  enabled: true
  transport: stdio
  command: {command}
  args: {args}
  cwd: -
  env: WALLET_MCP_SANDBOX=*****
  remove: codex mcp remove wallet-mcp
"""


@pytest.mark.parametrize("shape", [CLAUDE, CODEX], ids=["claude", "codex"])
@pytest.mark.parametrize(
    ("command", "args", "ours"),
    [
        ("/venv/bin/python", "-P -m wallet_mcp", True),
        ("/venv/bin/python", '["-P", "-m", "wallet_mcp"]', True),
        ("C:\\Program Files\\w\\wallet-mcp.exe", "", True),
        ('"/my venv/bin/wallet-mcp"', "-", True),
        ("npx", "-y @acme/wallet-mcp", False),
        ("uv", "--directory /home/u/src/wallet-mcp run server.py", False),
        ("node", "wallet_mcp", False),
    ],
)
def test_what_a_client_shows_counts_by_its_command_alone(shape: str, command: str, args: str, ours: bool) -> None:
    assert shown_is_ours(shape.format(command=command, args=args)) is ours


@pytest.mark.parametrize(
    ("shown", "ours"),
    [
        ("", False),
        ("wallet-mcp", False),
        ("'wallet_mcp'", False),
        ("Command: npx\nArgs: x\nArgs: -m wallet_mcp", False),
        ("Command: wallet-mcp\nCommand: npx", False),
        ('{"command": "npx", "args": ["wallet-mcp"]}', False),
        ('{"command": "/v/bin/wallet-mcp"}', True),
        ("[" * 100_000, False),
    ],
)
def test_what_is_in_doubt_is_left_alone(shown: str, ours: bool) -> None:
    assert shown_is_ours(shown) is ours


@given(name=st.text(max_size=30), shown=st.sampled_from([CLAUDE, CODEX]))
def test_no_name_makes_a_server_ours(name: str, shown: str) -> None:
    told = shown.format(command="npx", args="-y @acme/wallet-mcp").replace("wallet-mcp", name, 1)
    assert not shown_is_ours(told) or "ommand" in name


@pytest.mark.parametrize(
    ("line", "ours"),
    [
        ("docker run -i --rm -e WALLET_MCP_SANDBOX=1 wallet-mcp", True),
        ("/usr/bin/docker run -i --rm wallet-mcp:latest --sandbox", True),
        ("podman run -it --env A=b --name x registry.example:5000/team/wallet-mcp@sha256:0a", True),
        ("docker --context far run --rm=true -i wallet-mcp", True),
        ("docker run -i -v /home/u/wallet-mcp:/app node server.js", False),
        ("docker run -i --name wallet-mcp acme/other", False),
        ("docker run -i node wallet-mcp", False),
        ("docker run -i", False),
        ("docker run -e", False),
        ("docker build -t wallet-mcp .", False),
        ("npx run wallet-mcp", False),
    ],
)
def test_which_containers_are_ours(line: str, ours: bool) -> None:
    command, *args = shlex.split(line)
    assert starts_our_container(command, args) is ours


@pytest.mark.parametrize(
    ("line", "settings"),
    [
        ("wallet-mcp", {"A": "1", "B": "2"}),
        ("wallet-mcp --sandbox", {"A": "1", "B": "2", "WALLET_MCP_SANDBOX": "1"}),
        ("python -m wallet_mcp serve --sandbox", {"A": "1", "B": "2", "WALLET_MCP_SANDBOX": "1"}),
        ("docker run -i wallet-mcp", {}),
        (
            "docker run -i -e A -e C=3=4 --env=D=5 --env E=6 -eF=7 -e NONE wallet-mcp",
            {"A": "1", "C": "3=4", "D": "5", "E": "6", "F": "7"},
        ),
        ("docker run -i wallet-mcp --sandbox", {"WALLET_MCP_SANDBOX": "1"}),
        ("docker run -i --name --sandbox wallet-mcp", {}),
    ],
)
def test_the_settings_that_a_server_sees(line: str, settings: dict[str, str]) -> None:
    command, *args = shlex.split(line)
    assert chosen_settings(command, args, {"A": "1", "B": "2"}) == settings
