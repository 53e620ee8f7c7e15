"""`wallet-mcp sandbox` as a process: its first lines, its answers, its options and its end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from tests.cli.process import PATIENCE_S, pipe, started
from tests.sandbox.caller import ALL_BALANCES, CHAINS_PATH, hmac_signer, stamp
from wallet_mcp.cli.main import main
from wallet_mcp.sandbox.world_wallets import WALLETS
from wallet_mcp.settings import load_settings


def pasted(process: subprocess.Popen[bytes]) -> dict[str, str]:
    """The three lines that a sandbox prints first, as an environment."""
    lines = [pipe(process.stdout).readline().decode() for _ in range(3)]
    assert all(line.endswith("\n") for line in lines), pipe(process.stderr).read().decode()
    return dict(line.rstrip("\n").split("=", 1) for line in lines)


def ask(environment: dict[str, str], target: str, clock_s: float = 0.0, nonce: str = "n") -> httpx.Response:
    """A GET to a sandbox, signed by hand with the pasted lines; `target` is the path and query on the wire."""
    timestamp = stamp(time.time() + clock_s)
    headers = {
        "X-OC-APIKEY": environment["WALLET_MCP_API_KEY"],
        "X-OC-TIMESTAMP": timestamp,
        "X-OC-SIGN": hmac_signer(environment["WALLET_MCP_SECRET_KEY"])(f"{timestamp}GET{target}".encode()),
        "X-OC-NONCE": nonce,
    }
    root = environment["WALLET_MCP_BASE_URL"].removesuffix("/build")
    with httpx.Client(trust_env=False, timeout=10) as client:
        return client.get(root + target, headers=headers)


def test_its_lines_can_be_used_at_once_and_a_signal_ends_it_with_status_0() -> None:
    with started("sandbox", "--port", "0") as process:
        environment = pasted(process)
        assert list(environment) == ["WALLET_MCP_BASE_URL", "WALLET_MCP_API_KEY", "WALLET_MCP_SECRET_KEY"]
        settings = load_settings(environment)
        assert settings.usable
        assert settings.base_url.startswith("http://127.0.0.1:")
        answer = ask(environment, CHAINS_PATH)
        assert (answer.status_code, answer.json()["code"]) == (200, 0)
        assert answer.headers["x-wallet-mcp-sandbox"] == "1"
        # One date, its own, and no name of the server in front.
        assert len(answer.headers.get_list("date")) == 1
        assert "server" not in answer.headers
        process.send_signal(signal.SIGTERM)
        output, log = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, output) == (0, b"")
    for label, address in WALLETS.items():
        assert f"  {label}" in log.decode()
        assert address in log.decode()


@pytest.mark.skipif(os.name != "posix", reason="SIGINT as POSIX has it")
def test_a_signal_right_after_the_lines_ends_it_cleanly_too() -> None:
    with started("sandbox", "--port", "0", "--delay-ms", "30000") as process:
        port = int(pasted(process)["WALLET_MCP_BASE_URL"].rpartition(":")[2].removesuffix("/build"))
        # Connected before anything serves: kept waiting rather than refused.
        with socket.create_connection(("127.0.0.1", port), timeout=10):
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE_S) == 0


def test_its_options_are_those_of_the_stand_in() -> None:
    options = ["--rate", "2", "--clock-offset-s", "-3600", "--delay-ms", "150", "--jitter-ms", "1"]
    faults = ["--fault", f"50001:1,path={ALL_BALANCES.rpartition('/')[2]}", "--fault", "404:0"]
    with started("sandbox", "--port", "0", *options, *faults) as process:
        environment = pasted(process)
        assert ask(environment, CHAINS_PATH).json()["code"] == 40103
        begun = time.monotonic()
        first = ask(environment, CHAINS_PATH, clock_s=-3600)
        assert time.monotonic() - begun >= 0.15
        assert first.json()["code"] == 0
        assert first.headers["x-oc-ratelimit-limit"] == "2"
        told = parsedate_to_datetime(first.headers["date"]).timestamp()
        assert told == pytest.approx(time.time() - 3600, abs=30)
        target = f"{ALL_BALANCES}?address={WALLETS['rich']}&chains=56"
        struck = ask(environment, target, clock_s=-3600, nonce="m")
        assert struck.json()["code"] == 50001


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("nonsense", "unknown fault kind 'nonsense'"),
        ("50001:2", "the probability of fault 50001 must be between 0 and 1"),
        ("50001:often", "probability must be a number, not 'often'"),
        ("50001,times=0", "the times of fault 50001 must be at least 1"),
        ("50001,colour=red", "unknown fault setting 'colour'"),
    ],
)
def test_a_fault_that_cannot_be_is_refused_in_words(
    fault: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sandbox", "--port", "0", "--fault", fault]) == 2
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.startswith("wallet-mcp sandbox: ")
    assert told in written.err


def test_a_port_that_is_taken_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main(["sandbox", "--port", str(port)]) == 2
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err == f"wallet-mcp sandbox: port {port} is taken; choose another with --port.\n"


def test_a_port_that_needs_more_rights_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    assert main(["sandbox", "--port", "80"]) == 2
    assert capsys.readouterr().err == "wallet-mcp sandbox: port 80 needs more rights; choose another with --port.\n"


def test_a_tool_call_through_its_lines_is_marked_as_sandbox(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in os.environ:
        if name.startswith("WALLET_MCP_"):
            monkeypatch.delenv(name)
    with started("sandbox", "--port", "0") as process:
        for name, value in pasted(process).items():
            monkeypatch.setenv(name, value)
        assert main(["call", "wallet_check_setup", "--json"]) == 0
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (answer["ready"], answer["source"], answer["mode"]) == (True, "sandbox", "custom")
