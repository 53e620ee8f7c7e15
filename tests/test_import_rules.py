"""Who may know whom: the import rules of docs/architecture.md, read from the source and watched at a start."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "wallet_mcp"

# Part of the package -> the parts it may import besides itself. `__init__` holds the version.
MAY_KNOW = {
    "__init__": set[str](),
    "__main__": {"cli"},
    "settings": {"wallet", "wallet_api"},
    "wallet": set[str](),
    "wallet_api": {"__init__"},
    "sandbox": set[str](),
    "server": {"__init__", "settings", "wallet", "wallet_api"},
    "cli": {"__init__", "settings", "wallet", "wallet_api", "server", "sandbox"},
}
ONLY_INSIDE_FUNCTIONS = {("cli", "sandbox")}
FILES = sorted(PACKAGE.rglob("*.py"))


@dataclass(frozen=True, slots=True)
class Import:
    """One import of something of ours: `part` is the first name below the package."""

    part: str
    lazy: bool
    line: int


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def package_of(path: Path) -> str:
    return ".".join(("wallet_mcp", *path.relative_to(PACKAGE).parts[:-1]))


def imports_of(source: str, package: str) -> Iterator[Import]:
    """What a module of `package` imports of ours. Raises `ValueError` for a computed import."""
    lazy = set[ast.AST]()
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lazy.update(ast.walk(node))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: package.count(".") + 2 - node.level] if node.level else []
            origin = ".".join((*above, *filter(None, [node.module])))
            names = [f"{origin}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Name | ast.Attribute) and _is_computed(node):
            raise ValueError(f"line {node.lineno}: a computed import")
        else:
            continue
        for name in names:
            root, *rest = name.split(".")
            if root == "wallet_mcp":
                part = rest[0] if rest and rest[0] in MAY_KNOW else "__init__"
                yield Import(part, node in lazy, node.lineno)


def _is_computed(node: ast.Name | ast.Attribute) -> bool:
    name = node.id if isinstance(node, ast.Name) else node.attr
    return name in ("__import__", "import_module", "exec", "eval")


def broken_rules(part: str, source: str, package: str) -> list[str]:
    """Every import of the source that a module of `part`, in `package`, must not have."""
    broken = []
    for found in imports_of(source, package):
        if found.part not in MAY_KNOW[part] | {part}:
            broken.append(f"line {found.line}: {part} imports {found.part}")
        elif (part, found.part) in ONLY_INSIDE_FUNCTIONS and not found.lazy:
            broken.append(f"line {found.line}: {part} imports {found.part} outside a function")
    return broken


def test_every_part_of_the_package_has_its_rule() -> None:
    assert {part_of(path) for path in FILES} == set(MAY_KNOW)


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(PACKAGE)) for path in FILES])
def test_a_module_knows_only_whom_it_may(path: Path) -> None:
    assert broken_rules(part_of(path), path.read_text(encoding="utf-8"), package_of(path)) == []


@pytest.mark.parametrize(
    ("part", "source", "broken"),
    [
        ("wallet", "import wallet_mcp.wallet_api.errors", "line 1: wallet imports wallet_api"),
        ("wallet", "from wallet_mcp import __version__", "line 1: wallet imports __init__"),
        ("wallet_api", "from wallet_mcp import server", "line 1: wallet_api imports server"),
        (
            "wallet_api",
            "def f():\n    from wallet_mcp.sandbox.app import Sandbox",
            "line 2: wallet_api imports sandbox",
        ),
        ("wallet_api", "from wallet_mcp.wallet import chains", "line 1: wallet_api imports wallet"),
        ("sandbox", "import wallet_mcp", "line 1: sandbox imports __init__"),
        (
            "sandbox",
            "if TYPE_CHECKING:\n    from wallet_mcp.settings import Settings",
            "line 2: sandbox imports settings",
        ),
        ("server", "async def f():\n    import wallet_mcp.cli.main", "line 2: server imports cli"),
        ("server", "from wallet_mcp.sandbox import app", "line 1: server imports sandbox"),
        ("wallet", "from ..wallet_api import errors", "line 1: wallet imports wallet_api"),
        ("wallet", "from .. import __version__", "line 1: wallet imports __init__"),
        ("sandbox", "from ..settings import Settings", "line 1: sandbox imports settings"),
        ("cli", "import wallet_mcp.sandbox.app", "line 1: cli imports sandbox outside a function"),
    ],
)
def test_a_broken_rule_is_seen(part: str, source: str, broken: str) -> None:
    assert broken_rules(part, source, f"wallet_mcp.{part}") == [broken]


@pytest.mark.parametrize(
    ("part", "source"),
    [
        ("cli", "def f():\n    from wallet_mcp.sandbox.app import Sandbox"),
        ("cli", "async def f():\n    if x:\n        import wallet_mcp.sandbox.app"),
        ("server", "from wallet_mcp.server.tools import TOOLS\nfrom wallet_mcp.settings import Settings"),
        ("wallet", "from .money import usd\nfrom . import chains"),
        ("wallet", "import decimal, wallet_mcpx\nfrom wallet_mcp.wallet.money import usd"),
    ],
)
def test_what_is_allowed_is_not_reported(part: str, source: str) -> None:
    assert broken_rules(part, source, f"wallet_mcp.{part}") == []


@pytest.mark.parametrize("source", ["importlib.import_module(n)", "import_module(n)", "__import__(n)", "exec(n)"])
def test_imports_that_cannot_be_read_are_refused(source: str) -> None:
    with pytest.raises(ValueError, match="line 1: a computed import"):
        list(imports_of(source, "wallet_mcp.cli"))


# The SDK itself loads uvicorn, starlette and the base of cryptography, so only the rest can be kept out.
START = """
import sys
import wallet_mcp.cli.main
light = sorted({"mcp", "httpx", "pydantic", "anyio", "asyncio"} & set(sys.modules))
import mcp.server.stdio
import wallet_mcp.cli.stdio
from wallet_mcp.cli.wiring import server_from_environment
environment = {"WALLET_MCP_API_KEY": "key", "WALLET_MCP_SECRET_KEY": "secret"}
server_from_environment(sandbox=False, environment=environment)
heavy = ["wallet_mcp.sandbox", "rich", "truststore", "jwt", "jsonschema", "hypothesis", "wallet_mcp.cli.demo"]
heavy.append("cryptography.hazmat.primitives.asymmetric.ed25519")
print(light, sorted(set(heavy) & set(sys.modules)))
"""


def test_a_start_loads_neither_the_sandbox_nor_what_only_some_calls_need() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WALLET_MCP_")}
    run = subprocess.run(
        [sys.executable, "-c", START], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (run.stdout, run.returncode) == ("[] []\n", 0), run.stderr
