"""The command `wallet-mcp`: without a subcommand, the MCP server over stdio that a client starts."""

from __future__ import annotations

import argparse
import io
import math
import os
import sys
from collections.abc import Callable, Sequence

from wallet_mcp import __version__

# Both HTTP libraries load their own command lines where rich and pygments are installed: 60 ms of every start.
for _command_line in ("httpx._main", "httpx2._main"):
    sys.modules.setdefault(_command_line, None)  # type: ignore[arg-type]

_EPILOG = """Settings come from WALLET_MCP_... environment variables; the README lists them all.
Exit status of call: 0 answer, 1 whoever runs the server must act, 2 wrong arguments, 3 try again later."""
_CALL_EPILOG = """tools and their arguments (those in brackets may be left out):
  wallet_get_portfolio       address [chains] [token] [min_value_usd] [include_risk_tokens] [offset] [limit]
  wallet_list_chains         [chain]
  wallet_list_balances       address chain [include_risk_tokens] [page] [page_size]
  wallet_get_token_balances  address tokens
  wallet_list_transactions   address [chains] [contract] [direction] [counterparty] [begin] [end] [cursor] [limit]
  wallet_get_transaction     tx_hash [chain]
  wallet_check_setup

examples:
  wallet-mcp call wallet_get_portfolio address=0x4228cfc4DA1cBf51483a344D2d366ff6dd6FCEbe --sandbox
  wallet-mcp call wallet_list_transactions address=treasury chains=eth,bsc begin=7d --json

exit status:
  0 an answer; 1 whoever runs the server must act, or wallet_check_setup finds it not ready;
  2 wrong arguments; 3 try again later"""
_MAX_OFFSET_S = 10 * 366 * 86_400


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit status."""
    arguments = read_command_line(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Token symbols may hold what the terminal's encoding cannot show.
            stream.reconfigure(errors="backslashreplace")
    status = 0
    try:
        status = _run(arguments)
        if sys.stdout is not None:
            # Here a reader that left is still an exception; later it is a complaint of the interpreter.
            sys.stdout.flush()
    except* KeyboardInterrupt:
        status = 130
    except* BrokenPipeError:
        # Whatever is left to be written goes nowhere, and the status is that of a program ended by SIGPIPE.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 141
    return status


def read_command_line(argv: Sequence[str]) -> argparse.Namespace:
    """The command and its options. Raises `SystemExit` (2, the reason on stderr) for words that make none."""
    top = parser()
    arguments, left = top.parse_known_args(argv)
    if left and (arguments.command != "call" or any(word.startswith("-") for word in left)):
        top.error(f"unrecognized arguments: {' '.join(left)}")
    if arguments.command == "serve" and arguments.needs_http and not arguments.http:
        top.error("--host and --port go with --http; without it the server speaks over stdin and stdout")
    if left:
        # argparse gives up on key=value words that follow an option.
        arguments.arguments = [*arguments.arguments, *left]
    return arguments


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--sandbox",
        action="store_true",
        default=argparse.SUPPRESS,
        help="answer from invented data in process, without a key and without network",
    )
    top = argparse.ArgumentParser(
        prog="wallet-mcp",
        description="MCP server for the Binance Web3 Wallet API. Without a command: serve over stdio.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[common],
    )
    top.add_argument("--version", action="version", version=f"wallet-mcp {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("demo", parents=[common], help="show questions, tool calls and answers on sandbox data")
    call = commands.add_parser(
        "call",
        parents=[common],
        help="call one tool and print its answer",
        description="Call one tool: tables on a terminal, the text that a model reads in a pipe, or --json.",
        epilog=_CALL_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    call.add_argument("tool", metavar="TOOL", help="name of the tool, such as wallet_list_balances")
    call.add_argument(
        "arguments", metavar="key=value", nargs="*", default=[], help="arguments of the tool; lists as chains=eth,bsc"
    )
    call.add_argument("--json", action="store_true", help="print the structure, or the facts of an error, as JSON")
    serve = commands.add_parser("serve", parents=[common], help="serve over stdio, or over HTTP on this machine")
    serve.add_argument("--http", action="store_true", help="streamable HTTP instead of stdio")
    serve.set_defaults(needs_http=False)
    serve.add_argument(
        "--host",
        action=_WithHttp,
        default="127.0.0.1",
        help="with --http: address of this machine to listen on (default 127.0.0.1)",
    )
    serve.add_argument(
        "--port",
        action=_WithHttp,
        type=_whole_number(0, 65_535),
        default=8751,
        help="with --http: default 8751; 0 takes a free one",
    )
    install = commands.add_parser(
        "install", parents=[common], help="add this server to a client of yours, and try it out"
    )
    install.add_argument(
        "client",
        metavar="CLIENT",
        help="claude-code, claude-desktop, codex, cursor, vscode, or other: a block to paste",
    )
    install.add_argument("--name", default="wallet", help="what the client calls this server (default wallet)")
    install.add_argument("--dry-run", action="store_true", help="show what would change, and change nothing")
    install.add_argument("--new-key", action="store_true", help="ask for a key although one is stored")
    doctor = commands.add_parser(
        "doctor", parents=[common], help="find out why it does not work: one line per check, one fix per failure"
    )
    doctor.add_argument("--deep", action="store_true", help="after a refused signature, try other ways to sign")
    doctor.add_argument("--json", action="store_true", help="print the checks as JSON")
    probe = commands.add_parser(
        "probe", parents=[common], help="settle what the API's documentation leaves open, with your consent"
    )
    probe.add_argument("address", metavar="ADDRESS", help="a wallet of yours, best with some history")
    probe.add_argument("--chain", default="", help="where it has a history (default 56, for Solana addresses CT_501)")
    probe.add_argument("--tx", default="", metavar="HASH", help="a transaction to look at (default: one of its own)")
    probe.add_argument("--out", default="wallet-mcp-probe", metavar="DIR", help="default wallet-mcp-probe")
    probe.add_argument("--yes", action="store_true", help="agree beforehand to what it sends")
    sandbox = commands.add_parser("sandbox", help="serve the stand-in for the API on this machine")
    # Every command takes it; here it changes nothing, and help about it would only puzzle.
    sandbox.add_argument("--sandbox", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    sandbox.add_argument(
        "--port", type=_whole_number(0, 65_535), default=8750, help="default 8750; 0 takes a free one"
    )
    sandbox.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="CODE:PROBABILITY",
        help="answer so many requests with a fault, such as 50001:0.3; may be repeated (docs/sandbox.md lists them)",
    )
    sandbox.add_argument("--delay-ms", type=_whole_number(0, 600_000), default=0, help="added to every answer")
    sandbox.add_argument(
        "--jitter-ms", type=_whole_number(0, 600_000), default=0, help="random extra delay up to this"
    )
    sandbox.add_argument(
        "--rate",
        type=_whole_number(1, 1_000_000),
        default=5,
        help="requests in any sliding second per key (default 5)",
    )
    sandbox.add_argument(
        "--replay", default="", metavar="DIR", help="serve answers that `probe` recorded, instead of invented data"
    )
    sandbox.add_argument("--clock-offset-s", type=_offset, default=0.0, help="its clock less this machine's")
    return top


class _WithHttp(argparse.Action):
    """Stores an option that means nothing without --http, and that it was given."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option: str | None = None,
    ) -> None:
        setattr(namespace, self.dest, values)
        namespace.needs_http = True


def _run(arguments: argparse.Namespace) -> int:
    # Each command imports what it needs: a client that starts the server should not wait for the others.
    sandbox = getattr(arguments, "sandbox", False)
    match arguments.command:
        case "demo":
            from wallet_mcp.cli.demo import demo

            return demo()
        case "call":
            from wallet_mcp.cli.call import call

            return call(arguments.tool, arguments.arguments, as_json=arguments.json, sandbox=sandbox)
        case "serve" if arguments.http:
            from wallet_mcp.cli.serve import serve_http

            return serve_http(host=arguments.host, port=arguments.port, sandbox=sandbox)
        case "install":
            from wallet_mcp.cli.install import Options, install

            return install(Options(arguments.client, arguments.name, sandbox, arguments.dry_run, arguments.new_key))
        case "doctor":
            from wallet_mcp.cli.doctor import doctor

            return doctor(as_json=arguments.json, deep=arguments.deep, sandbox=sandbox)
        case "probe":
            from wallet_mcp.cli.probe import Options as ProbeOptions
            from wallet_mcp.cli.probe import probe

            words = (arguments.address, arguments.chain, arguments.tx, arguments.out, arguments.yes)
            return probe(ProbeOptions(*words, sandbox=sandbox))
        case "sandbox":
            from wallet_mcp.cli.sandbox import serve_sandbox

            return serve_sandbox(arguments)
        case _:
            from wallet_mcp.cli.stdio import serve_stdio

            return serve_stdio(sandbox=sandbox)


def _whole_number(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 10 and low <= int(text) <= high):
            raise argparse.ArgumentTypeError(f"must be a whole number from {low} to {high}")
        return int(text)

    return read


def _offset(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not abs(seconds) <= _MAX_OFFSET_S:
        raise argparse.ArgumentTypeError("must be a number of seconds, at most ten years")
    return seconds
