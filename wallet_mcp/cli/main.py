"""The command `wallet-mcp`: without a subcommand, the MCP server over stdio that a client starts."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from wallet_mcp import __version__

_EPILOG = """Settings come from WALLET_MCP_... environment variables; the README lists them all.
Exit status of call: 0 answer, 1 whoever runs the server must act, 2 wrong arguments, 3 try again later."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit status."""
    arguments = parser().parse_args(sys.argv[1:] if argv is None else argv)
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output left; without this the interpreter complains about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


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
    commands.add_parser("demo", help="show questions, tool calls and answers on sandbox data")
    call = commands.add_parser("call", parents=[common], help="call one tool and print its answer")
    call.add_argument("tool", metavar="TOOL", help="name of the tool, such as wallet_list_balances")
    call.add_argument(
        "arguments", metavar="key=value", nargs="*", help="arguments of the tool; lists as chains=eth,bsc"
    )
    call.add_argument("--json", action="store_true", help="print the structure instead of the text")
    sandbox = commands.add_parser("sandbox", help="serve the stand-in for the API on this machine")
    sandbox.add_argument("--port", type=_port, default=8750, help="default 8750; 0 takes a free one")
    sandbox.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="CODE:PROBABILITY",
        help="answer so many requests with a fault, such as 50001:0.3; may be repeated (docs/sandbox.md lists them)",
    )
    sandbox.add_argument("--delay-ms", type=_not_negative, default=0, help="added to every answer")
    sandbox.add_argument("--jitter-ms", type=_not_negative, default=0, help="random extra delay up to this")
    sandbox.add_argument("--rate", type=int, default=5, help="requests in any sliding second per key (default 5)")
    sandbox.add_argument("--clock-offset-s", type=float, default=0.0, help="its clock less this machine's")
    return top


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
        case "sandbox":
            from wallet_mcp.cli.sandbox import serve_sandbox

            return serve_sandbox(arguments)
        case _:
            from wallet_mcp.cli.stdio import serve_stdio

            return serve_stdio(sandbox=sandbox)


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError("a port is a whole number from 0 to 65535")
    return number


def _not_negative(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 600_000:
        raise argparse.ArgumentTypeError("a whole number from 0 to 600000")
    return number
