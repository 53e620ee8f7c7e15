"""What a client sees of the server, one file each. `python -m tests.support.snapshots` writes them anew.

Keys are sorted, for their order is all that differs between the two eras.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio

from tests.support.mcp import ERAS, Era, connect, usable_settings

FOLDER = Path(__file__).parents[1] / "snapshots"


async def seen(era: Era) -> dict[str, str]:
    """File name -> text of everything that a client of this era can list, and of the server's instructions."""
    async with connect(era, settings=usable_settings(sandbox=False)) as face:
        client = face.client
        found: dict[str, Any] = {}
        for tool in (await client.list_tools()).tools:
            found[f"tool.{tool.name}"] = _plain(tool)
        for prompt in (await client.list_prompts()).prompts:
            found[f"prompt.{prompt.name}"] = _plain(prompt)
        for resource in (await client.list_resources()).resources:
            found[f"resource.{resource.name}"] = _plain(resource)
        for template in (await client.list_resource_templates()).resource_templates:
            found[f"resource.{template.name}"] = _plain(template)
        texts = {
            f"{name}.json": f"{json.dumps(one, indent=2, sort_keys=True, ensure_ascii=False)}\n"
            for name, one in found.items()
        }
        return {**texts, "instructions.txt": f"{client.instructions}\n"}


def _plain(model: Any) -> Any:
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


def kept() -> dict[str, str]:
    """File name -> text of the snapshots as they stand."""
    return {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir() if path.is_file()}


def write() -> None:
    """Write all snapshots anew and remove those of nothing."""
    texts = anyio.run(seen, ERAS[0])
    FOLDER.mkdir(exist_ok=True)
    for name in kept().keys() - texts.keys():
        (FOLDER / name).unlink()
    for name, text in texts.items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
