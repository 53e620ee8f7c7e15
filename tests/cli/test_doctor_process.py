"""`doctor`, `probe` and `sandbox --replay` as processes: their words, their status, and that they work together."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.process import PATIENCE_S, command, environment, pipe, started
from wallet_mcp.cli import doctor, probe
from wallet_mcp.cli.main import main
from wallet_mcp.cli.probe import Options
from wallet_mcp.sandbox.world_wallets import WALLETS


@pytest.mark.parametrize(
    ("words", "given"),
    [
        (["doctor"], {"as_json": False, "deep": False, "sandbox": False}),
        (["doctor", "--deep", "--json", "--sandbox"], {"as_json": True, "deep": True, "sandbox": True}),
    ],
)
def test_the_words_of_doctor(words: list[str], given: dict[str, bool], monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[dict[str, bool]] = []

    def noted(**options: bool) -> int:
        called.append(options)
        return 7

    monkeypatch.setattr(doctor, "doctor", noted)
    assert main(words) == 7
    assert called == [given]


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (["probe", "0xa"], Options("0xa")),
        (
            ["--sandbox", "probe", "0xa", "--chain", "eth", "--tx", "0xb", "--out", "o", "--yes"],
            Options("0xa", "eth", "0xb", "o", True, True),
        ),
    ],
)
def test_the_words_of_probe(words: list[str], options: Options, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[Options] = []

    def noted(given: Options) -> int:
        called.append(given)
        return 7

    monkeypatch.setattr(probe, "probe", noted)
    assert main(words) == 7
    assert called == [options]


def pasted(process: subprocess.Popen[bytes]) -> dict[str, str]:
    lines = [pipe(process.stdout).readline().decode().rstrip("\n") for _ in range(3)]
    return {name.removeprefix("WALLET_MCP_"): value for name, value in (line.split("=", 1) for line in lines)}


def examine(home: Path, *words: str, **settings: str) -> tuple[int, dict[str, Any]]:
    """The status and the JSON of a doctor that finds no clients but those of `home`."""
    around = environment(**settings) | {"HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config")}
    for name in ("CLAUDE_CONFIG_DIR", "CODEX_HOME"):
        around.pop(name, None)
    run = subprocess.run(
        command("doctor", "--json", *words),
        env=around,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert run.stderr == ""
    return run.returncode, json.loads(run.stdout)


def failures(found: dict[str, Any]) -> dict[str, list[str]]:
    return {check["check"]: check["culprits"] for check in found["checks"] if check["status"] == "failed"}


def test_a_doctor_over_a_real_port(tmp_path: Path) -> None:
    with started("sandbox", "--port", "0") as process:
        settings = pasted(process)
        status, found = examine(tmp_path, **settings)
        assert (status, found["ok"], failures(found)) == (0, True, {})
        status, found = examine(tmp_path, "--deep", **settings | {"SECRET_KEY": "a-wrong-one"})
        assert status == 1
        assert failures(found) == {"signed probe": ["secret_of_another_key", "other_algorithm", "path_rewritten"]}
        assert [tried["tried"] for tried in found["trials"]] == ["signed without /build"]
        assert "a-wrong-one" not in str(found)


def test_a_doctor_takes_the_settings_of_a_client_and_starts_its_entry(tmp_path: Path) -> None:
    with started("sandbox", "--port", "0", "--clock-offset-s", "-3600") as process:
        settings = pasted(process)
        entry = {
            "command": sys.executable,
            "args": ["-m", "wallet_mcp"],
            "env": {f"WALLET_MCP_{name}": value for name, value in settings.items()},
        }
        file = tmp_path / ".cursor" / "mcp.json"
        file.parent.mkdir()
        file.write_text(json.dumps({"mcpServers": {"wallet": entry}}))
        status, found = examine(tmp_path)
    assert status == 1
    assert failures(found) == {"clock": ["clock_off"], "client": ["client_secret"]}
    said = [check["said"] for check in found["checks"]]
    assert said[0] == "The settings are those of Cursor, entry 'wallet'; this terminal has none."
    assert said[-1].startswith("Cursor, entry 'wallet': it starts, lists ")
    assert settings["SECRET_KEY"] not in str(found)


def fixture(folder: Path) -> None:
    answer = {"code": 0, "msg": "success", "data": [{"binanceChainId": "1"}], "timestamp": 1, "success": True}
    recorded = {
        "name": "chains",
        "varied": False,
        "request": {"method": "GET", "path": "/api/v1/dex/balance/supported/chain", "query": [], "body": None},
        "response": {"status": 200, "headers": {"content-type": "application/json"}, "body": answer},
    }
    folder.mkdir()
    (folder / "01-chains.json").write_text(json.dumps(recorded))


def test_recorded_answers_are_served_to_a_real_client(tmp_path: Path) -> None:
    fixture(tmp_path / "fixtures")
    with started("sandbox", "--port", "0", "--replay", str(tmp_path / "fixtures")) as process:
        settings = environment(**pasted(process))
        assert pipe(process.stderr).readline() == b"Recorded data. Wallets to ask about:\n"
        call = command("call", "wallet_list_chains", "--json")
        run = subprocess.run(call, env=settings, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    answer = json.loads(run.stdout)
    assert (run.returncode, answer["source"]) == (0, "sandbox")
    assert [chain["chain"] for chain in answer["chains"]] == ["1"]


def test_a_folder_without_a_recording_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["sandbox", "--port", "0", "--replay", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"wallet-mcp sandbox: {tmp_path} holds no recorded answers (*.json)\n"


def test_nobody_there_to_agree_means_nothing_is_sent(tmp_path: Path) -> None:
    run = subprocess.run(
        command("probe", WALLETS["rich"], "--sandbox", "--out", str(tmp_path / "out")),
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert run.returncode == 2
    assert "Nothing was sent" in run.stderr
    assert not (tmp_path / "out").exists()
