from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_mcp.cli import client_files
from wallet_mcp.cli.client_files import NameTaken, NotEdited, read_text, replace_file, save, with_entry
from wallet_mcp.cli.clients import Entry

PATH = Path("mcp.json")
ENTRY = Entry("/venv/bin/python", ("-P", "-m", "wallet_mcp"), {"WALLET_MCP_SANDBOX": "1"})
KEY = "mcpServers"

posix = pytest.mark.skipif(os.name != "posix", reason="modes and links as POSIX has them")


def edited(text: str | None, entry: Entry = ENTRY) -> str:
    return with_entry(text, KEY, "wallet", entry, PATH)


@pytest.mark.parametrize("text", [None, "", "  \n", "{}", '{"mcpServers": {}}', "\ufeff", "\ufeff{}"])
def test_an_empty_file_gets_the_entry(text: str | None) -> None:
    written = edited(text)
    assert written.startswith("\ufeff") == bool(text and text.startswith("\ufeff"))
    assert json.loads(written.removeprefix("\ufeff")) == {KEY: {"wallet": ENTRY.as_json()}}


FOREIGN = """{
\t"globalShortcut": "Ctrl+Space",
\t"mcpServers": {
\t\t"files": {"command": "npx", "args": ["-y", "x"], "env": {"TOKEN": "canary"}, "timeout": 1.50}
\t},
\t"scale": 0.1
}
"""


def test_other_entries_their_order_and_the_file_s_style_stay() -> None:
    written = edited(FOREIGN)
    before, after = json.loads(FOREIGN), json.loads(written)
    assert list(after) == list(before)
    assert after[KEY].pop("wallet") == ENTRY.as_json()
    assert after == before
    assert '\n\t"globalShortcut"' in written
    assert written.endswith("}\n")
    assert edited(written) == written


def test_line_ends_and_escapes_stay() -> None:
    written = edited('{\r\n    "a": "\\u00e9"\r\n}')
    assert "\n" not in written.replace("\r\n", "")
    assert '\r\n    "a": "\\u00e9"' in written
    assert '"a": "é"' in edited('{"a": "é"}')
    # Half of a pair has no UTF-8 form, so it must stay an escape.
    assert '"a": "\\ud800", "b": "\\u00e9"'.replace(", ", ",\n  ") in edited('{"a": "\\ud800", "b": "é"}')


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


@given(
    others=st.dictionaries(st.text(max_size=8), JSON, max_size=4),
    servers=st.dictionaries(st.text(max_size=8).filter(lambda name: name != "wallet"), JSON, max_size=3),
    indent=st.sampled_from([None, 2, 4, "\t"]),
)
def test_whatever_else_a_file_holds_is_held_afterwards(
    others: dict[str, Any], servers: dict[str, Any], indent: int | str | None
) -> None:
    before = others | {KEY: servers}
    after = json.loads(edited(json.dumps(before, indent=indent)))
    assert after[KEY].pop("wallet") == ENTRY.as_json()
    assert json.dumps(after) == json.dumps(before)


def test_of_an_older_entry_of_ours_other_settings_stay_and_credentials_go() -> None:
    old = {
        "command": "/old/bin/wallet-mcp",
        "disabled": False,
        "env": {
            "WALLET_MCP_SECRET_KEY": "canary",
            "WALLET_MCP_API_KEY_FILE": "/old",
            "WALLET_MCP_PRIVATE_KEY_PASSPHRASE_FILE": "/old",
            "WALLET_MCP_WALLETS": "ops=0x1",
        },
    }
    written = edited(json.dumps({KEY: {"wallet": old}}))
    assert "canary" not in written
    assert json.loads(written)[KEY]["wallet"] == {
        **ENTRY.as_json(),
        "disabled": False,
        "env": {"WALLET_MCP_WALLETS": "ops=0x1", "WALLET_MCP_SANDBOX": "1"},
    }


def test_settings_of_an_older_entry_that_are_no_object_are_dropped() -> None:
    old = {"command": "wallet-mcp", "env": ["canary"]}
    assert json.loads(edited(json.dumps({KEY: {"wallet": old}})))[KEY]["wallet"] == ENTRY.as_json()


@pytest.mark.parametrize(
    "other",
    [
        {"command": "npx"},
        {"command": "npx", "args": ["-y", "@acme/wallet-mcp"], "env": {"TOKEN": "canary"}},
        {"command": "uv", "args": ["--directory", "/home/u/src/wallet-mcp", "run", "server.py"]},
        "text",
        3,
    ],
)
def test_a_foreign_server_of_the_same_name_is_not_replaced(other: object) -> None:
    with pytest.raises(NameTaken, match="--name"):
        edited(json.dumps({KEY: {"wallet": other}}))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"mcpServers": {},}', r"not strict JSON \(line 1, column 19\)"),
        ('{\n  // servers\n  "mcpServers": {}}', r"not strict JSON \(line 2"),
        ("{", "not strict JSON"),
        ("[]", "not an object"),
        ('"text"', "not an object"),
        ('{"mcpServers": []}', '"mcpServers" is not an object'),
        ('{"mcpServers": null}', '"mcpServers" is not an object'),
        ('{"a": 1, "a": 2}', "cannot be edited safely"),
        ('{"a": NaN}', "cannot be edited safely"),
        ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "cannot be edited safely"),
        ('{"a": ' + "9" * 5000 + "}", "cannot be edited safely"),
        ('{"a": 1e400}', "cannot be edited safely"),
        ('{"a": 0.1000000000000000000001}', "numbers that an edit would round"),
        ('{"mcpServers": {"b": {"t": 0.1000000000000000000001}}}', "numbers that an edit would round"),
    ],
)
def test_what_an_edit_could_damage_is_refused(text: str, told: str) -> None:
    with pytest.raises(NotEdited, match=told):
        edited(text)


def test_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mcp.json"
    assert read_text(file) is None
    file.write_bytes(b"\xef\xbb\xbf{}\r\n")
    assert read_text(file) == "\ufeff{}\r\n"
    file.write_bytes(b"\xff\xfe{")
    with pytest.raises(NotEdited, match="not UTF-8"):
        read_text(file)
    with pytest.raises(NotEdited, match="cannot be read"):
        read_text(tmp_path)
    monkeypatch.setattr(client_files, "MAX_BYTES", 2)
    with pytest.raises(NotEdited, match="larger than"):
        read_text(file)


@posix
@pytest.mark.parametrize("mode", [0o600, 0o644, 0o640])
def test_saving_keeps_the_mode_and_a_copy(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "mcp.json"
    file.write_text("old")
    file.chmod(mode)
    copy = save(file, "new", "old")
    assert copy == tmp_path / "mcp.json.bak"
    assert (file.read_text(), copy.read_text()) == ("new", "old")
    assert stat.S_IMODE(file.stat().st_mode) == mode
    assert stat.S_IMODE(copy.stat().st_mode) == mode
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mcp.json", "mcp.json.bak"]


def test_an_older_copy_is_never_lost_and_an_equal_one_is_enough(tmp_path: Path) -> None:
    file = tmp_path / "mcp.json"
    for number, (old, new) in enumerate([("a", "b"), ("b", "a"), ("a", "c"), ("c", "d")]):
        file.write_text(old)
        assert save(file, new, old) is not None, number
    copies = {path.name: path.read_text() for path in tmp_path.glob("*.bak")}
    assert copies == {"mcp.json.bak": "a", "mcp.json.2.bak": "b", "mcp.json.3.bak": "c"}


@posix
def test_a_new_file_is_its_user_s_alone_and_has_no_copy(tmp_path: Path) -> None:
    file = tmp_path / "mcp.json"
    assert save(file, "new", None) is None
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@posix
def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "dotfiles").mkdir()
    real = tmp_path / "dotfiles" / "mcp.json"
    real.write_text("old")
    link = tmp_path / "mcp.json"
    link.symlink_to(real)
    copy = save(link, "new", "old")
    assert link.is_symlink()
    assert real.read_text() == "new"
    assert copy == tmp_path / "dotfiles" / "mcp.json.bak"


@pytest.mark.parametrize("expected", ["old", None])
def test_a_file_that_changed_meanwhile_is_not_overwritten(tmp_path: Path, expected: str | None) -> None:
    file = tmp_path / "mcp.json"
    file.write_text("changed")
    with pytest.raises(NotEdited, match="changed in the meantime"):
        save(file, "new", expected)
    assert file.read_text() == "changed"


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mcp.json"
    file.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NotEdited, match=r"cannot be written \(No space left on device\); nothing was changed"):
        save(file, "new", "old")
    assert file.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mcp.json", "mcp.json.bak"]


@posix
def test_a_given_mode_counts_also_over_an_older_one(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("old")
    file.chmod(0o666)
    replace_file(file, b"new", 0o600)
    assert (file.read_bytes(), stat.S_IMODE(file.stat().st_mode)) == (b"new", 0o600)
