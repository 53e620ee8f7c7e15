"""The parts of manifest.json that must equal the live server's; run as a module, it brings the file up to date.

`python -m tests.support.manifest` rewrites tools, prompts and version and leaves everything else as it is.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Final

import mcp_types as types
from mcp import Client

from wallet_mcp import __version__
from wallet_mcp.server.app import build_server
from wallet_mcp.settings import Settings

MANIFEST: Final = Path(__file__).parents[2] / "manifest.json"


async def live_parts() -> dict[str, Any]:
    """Version, tools and prompts of the server as a client sees them, in the manifest's form.

    A prompt's text is what the server makes of the placeholders that a bundle's host fills in. The packer takes
    arguments as bare names and refuses a tool's title.
    """
    async with Client(build_server(Settings())) as client:
        tools = (await client.list_tools()).tools
        prompts = (await client.list_prompts()).prompts
        return {
            "version": __version__,
            "tools": [{"name": tool.name, "description": tool.description} for tool in tools],
            "prompts": [await _prompt(client, prompt) for prompt in prompts],
        }


async def _prompt(client: Client, prompt: types.Prompt) -> dict[str, Any]:
    names = [argument.name for argument in prompt.arguments or ()]
    filled = await client.get_prompt(prompt.name, {name: f"${{arguments.{name}}}" for name in names})
    content = filled.messages[0].content
    if not isinstance(content, types.TextContent):
        raise TypeError(f"prompt {prompt.name} is not text")
    return {"name": prompt.name, "description": prompt.description, "arguments": names, "text": content.text}


def read_manifest() -> dict[str, Any]:
    """The manifest as it stands in the repository."""
    return dict(json.loads(MANIFEST.read_text(encoding="utf-8")))


def main() -> None:
    """Bring the manifest up to date."""
    manifest = read_manifest() | asyncio.run(live_parts())
    MANIFEST.write_text(json.dumps(manifest, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
