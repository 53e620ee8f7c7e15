"""`wallet-mcp install CLIENT`: from "I have a key" to "my assistant answers" in one command."""

from __future__ import annotations

import getpass
import json
import re
import shlex
import shutil
import subprocess
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wallet_mcp.cli import client_files, clients, key_files
from wallet_mcp.cli.client_commands import shown_is_ours
from wallet_mcp.cli.client_files import NameTaken, NotEdited
from wallet_mcp.cli.client_places import FoundEntry, find_entries
from wallet_mcp.cli.clients import Client, Entry, Surroundings
from wallet_mcp.cli.handshake import NoHandshake, one_line, shake_hands
from wallet_mcp.cli.key_files import Keys, NoKey

DONE, MUST_ACT, WRONG_ARGUMENTS = 0, 1, 2
DEFAULT_NAME: Final = "wallet"

_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
_PROGRAM_PATIENCE_S = 60.0
_NOT_FOR_CMD = re.compile(r'["%^&|<>!()\r\n]')


class NotAdded(Exception):
    """A client did not take the server; the message is a sentence that tells why."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the person chose."""

    client: str
    name: str = DEFAULT_NAME
    sandbox: bool = False
    dry_run: bool = False
    new_key: bool = False


def install(options: Options, here: Surroundings | None = None) -> int:
    """Add this server to a client and try it out; what was done is told line by line on stdout.

    The exit status is 0 when the client has the server and it answers, 1 when the person has to do something first,
    2 for an unknown client or an impossible name. Nothing is written where the status is 2, and nothing but the
    files of the key where a client refuses.
    """
    here = here or Surroundings.of_this_process()
    client = clients.find_client(options.client)
    if client is None:
        known = ", ".join(each.name for each in clients.CLIENTS)
        return _fail(f"{one_line(options.client)} is no client that I know. Name one of {known}.", WRONG_ARGUMENTS)
    if not _NAME.fullmatch(options.name):
        return _fail("--name must be 1 to 40 letters, digits, - or _.", WRONG_ARGUMENTS)
    if not sys.executable:
        return _fail("The path of this Python cannot be told; start wallet-mcp by its whole path.", MUST_ACT)
    try:
        return _install(client, options, here)
    except (NoKey, NotEdited) as refused:
        return _fail(str(refused), MUST_ACT)


def entry_for(env: Mapping[str, str]) -> Entry:
    """How a client starts this installation.

    By the interpreter's own path, for clients have another PATH than a terminal; with -P, for they start servers in
    the folder of a project, whose files could otherwise stand in for modules of this server.
    """
    return Entry(sys.executable, ("-P", "-m", "wallet_mcp"), dict(env))


def _install(client: Client, options: Options, here: Surroundings) -> int:
    folder = clients.config_home(here) / key_files.FOLDER
    keys: Keys | None = None
    if not options.sandbox:
        find = key_files.planned_keys if options.dry_run else _find_keys
        keys = find(here.environment, folder, new=options.new_key)
    entry = entry_for(keys.env if keys else {"WALLET_MCP_SANDBOX": "1"})
    edit, refusal = None, None
    try:
        edit = _planned_edit(client, options.name, entry, here)
    except NameTaken:
        raise
    except NotEdited as refused:
        refusal = str(refused)
    gone: list[Path] = []
    if keys:
        if not (options.dry_run and keys.found_in == "asked"):
            # Of a key that is yet to be asked for, nobody knows the kind.
            gone = key_files.superseded(keys, folder)
        # Also where the client's file is refused: what is then pasted by hand reads the key from here.
        _store(keys, folder, dry_run=options.dry_run)
    added = False
    try:
        if refusal:
            raise NotAdded(refusal)
        _add(client, options, entry, edit, here)
        added = True
    except NotAdded as refused:
        return _fail(f"{refused} {_by_hand(client, options.name, entry, here)}", MUST_ACT)
    finally:
        _tell_of_removed(gone, here, options, but=client if added else None)
    if options.dry_run:
        _say("Nothing was changed (--dry-run).")
        return DONE
    try:
        hands = shake_hands(edit.entry if edit else entry, here.home)
    except NoHandshake as failed:
        return _fail(f"{failed} `wallet-mcp doctor` looks for the cause.", MUST_ACT)
    data = "invented data (sandbox)" if options.sandbox else "your key"
    untried = "" if options.sandbox else "The key itself was not tried: `wallet-mcp doctor` tries it. "
    _say(
        f"Tried out: version {hands.version} with {data} starts and lists {hands.tools} tools "
        f"({hands.protocol}, {hands.seconds:.1f} s). {untried}{client.afterwards}"
    )
    return DONE


@dataclass(frozen=True, slots=True)
class _Edit:
    """A planned change of a client's file: its text before and after, and the entry as it will stand there."""

    path: Path
    before: str | None
    after: str
    entry: Entry


def _planned_edit(client: Client, name: str, entry: Entry, here: Surroundings) -> _Edit | None:
    path = clients.client_file(client, here)
    if client.kind != "file" or path is None:
        return None
    if not path.parent.is_dir():
        raise NotEdited(
            f"{client.title} keeps its servers in {path}, and that folder is not there. "
            f"Start {client.title} once and run this again."
        )
    before = client_files.read_text(path)
    after = client_files.with_entry(before, client.servers_key, name, entry, path)
    # What is tried out later is what the client will read, with the settings that an older entry had.
    stands = json.loads(after.removeprefix("\ufeff"))[client.servers_key][name]
    settings = {key: str(value) for key, value in stands["env"].items()}
    return _Edit(path, before, after, Entry(stands["command"], tuple(stands["args"]), settings))


def _store(keys: Keys, folder: Path, *, dry_run: bool) -> None:
    paths = ", ".join(map(str, keys.writes))
    if dry_run and keys.writes:
        asking = "ask for the key and " if keys.found_in == "asked" else ""
        _say(f"Would {asking}write the key to {paths}, readable by you alone.")
    elif keys.writes:
        key_files.store(keys, folder)
        _say(f"The key is in {paths}, readable by you alone; every client set up here reads it there.")
    else:
        _say(f"The key is read from {', '.join(keys.env.values())}.")
    if keys.copied:
        _say(f"{'Would copy' if dry_run else 'Copied'} from {', '.join(keys.copied)}: clients read the copy.")
    for path in key_files.readable_by_others(keys):
        _say(f"Other users of this machine can read {path}; run: chmod 600 {shlex.quote(path)}")


def _tell_of_removed(gone: Sequence[Path], here: Surroundings, options: Options, *, but: Client | None) -> None:
    """Which files of the key before are gone, and whose entries name them; that of `but` has just been set."""
    if not gone:
        return
    files = {str(path) for path in gone}
    kind = "Would remove" if options.dry_run else "Removed"
    _say(f"{kind} what is left of the key before: {', '.join(map(str, gone))}.")
    again: dict[str, None] = {}
    for entry in find_entries(here):
        if not isinstance(entry, FoundEntry) or not files & set(entry.env.values()):
            continue
        if entry.client is not but or entry.name != options.name:
            name = "" if entry.name == DEFAULT_NAME else f" --name {shlex.quote(one_line(entry.name))}"
            again[f"wallet-mcp install {entry.client.name}{name}"] = None
    for command in again:
        _say(f"That client still names a file that {'would be' if options.dry_run else 'is'} gone; run: {command}")
    _say("Entries that were pasted by hand and name such a file need the new block: wallet-mcp install other")


def _add(client: Client, options: Options, entry: Entry, edit: _Edit | None, here: Surroundings) -> None:
    if edit:
        _save(client, options, edit)
    elif client.kind == "program":
        _run_program(client, options, entry, here.environment)
    else:
        _say("Paste this into the client's configuration; some clients name the outer object otherwise:")
        _say(clients.block(client, options.name, entry))


def _save(client: Client, options: Options, edit: _Edit) -> None:
    if edit.after == edit.before:
        _say(f'{client.title} has "{options.name}" in {edit.path} already.')
    elif options.dry_run:
        # The rest of the file may hold keys of other servers: it is not shown.
        _say(f"Would set this in {edit.path}, leave everything else there as it is and keep a backup:")
        _say(clients.block(client, options.name, edit.entry))
    else:
        backup = client_files.save(edit.path, edit.after, edit.before)
        kept = f"; the file as it was: {backup}" if backup else ""
        _say(f'{client.title} has "{options.name}" in {edit.path} now{kept}.')


def _run_program(client: Client, options: Options, entry: Entry, environment: Mapping[str, str]) -> None:
    program = shutil.which(client.program, path=environment.get("PATH"))
    if program is None:
        raise NotAdded(f"The command `{client.program}` of {client.title} is not on the PATH.")
    adding = clients.adding_command(client, program, options.name, entry)
    if options.dry_run:
        _say(f"Would run: {shlex.join(adding)}")
        return
    showing = clients.showing_command(client, program, options.name)
    # An editor that this starts would hand a key of the environment on to all its terminals.
    variables = {name: value for name, value in environment.items() if not name.startswith("WALLET_MCP_")}
    shown = _run(showing, variables) if showing else None
    if shown and shown.returncode == 0:
        if not shown_is_ours(shown.stdout):
            raise NameTaken(f'{client.title} has another server named "{options.name}"; choose a name with --name.')
        removing = clients.removing_command(client, program, options.name)
        if removing:
            # Where it stands in another scope this fails, and adding it to the user's is right all the same.
            _run(removing, variables)
    added = _run(adding, variables)
    if added.returncode != 0:
        said = one_line(added.stderr.strip() or added.stdout.strip())
        raise NotAdded(f"`{client.program}` did not take the server (status {added.returncode}): {said}")
    _say(f'{client.title} has "{options.name}" now, added by `{client.program}` for all your projects.')


def _run(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    if command[0].lower().endswith((".cmd", ".bat")) and any(map(_NOT_FOR_CMD.search, command[1:])):
        # The shell of Windows reads such a file's arguments a second time, by other rules.
        raise NotAdded(f"{command[0]} is a batch file, which cannot be given such arguments safely.")
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_PROGRAM_PATIENCE_S,
            check=False,
            env=dict(environment),
        )
    except subprocess.TimeoutExpired:
        raise NotAdded(f"{command[0]} did not end within {_PROGRAM_PATIENCE_S:g} s.") from None
    except OSError as error:
        raise NotAdded(f"{command[0]} cannot be started ({error.strerror}).") from None


def _by_hand(client: Client, name: str, entry: Entry, here: Surroundings) -> str:
    path = clients.client_file(client, here)
    return f"To add it by hand, put this into {path}:\n{clients.block(client, name, entry)}"


def _find_keys(environment: Mapping[str, str], folder: Path, *, new: bool) -> Keys:
    return key_files.find_keys(environment, folder, ask_secretly, new=new)


def ask_secretly(prompt: str) -> str:
    """The person's answer, read without echo. Raises `NoKey` without a terminal, or where echo cannot be put off."""
    if sys.stdin is None or not sys.stdin.isatty():
        raise NoKey(
            "There is no terminal to ask for the key on. Set WALLET_MCP_API_KEY and WALLET_MCP_SECRET_KEY (or their "
            "_FILE forms) in the environment of this command, or try it with --sandbox."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(prompt)
        except getpass.GetPassWarning:
            raise NoKey("This terminal would show the key. Put it into a file and set WALLET_MCP_..._FILE.") from None
        except EOFError:
            raise NoKey("No answer was given; nothing was changed.") from None


def _fail(sentence: str, status: int) -> int:
    print(f"wallet-mcp install: {sentence}", file=sys.stderr)
    return status


def _say(text: str) -> None:
    print(text, flush=True)
