"""The published tools: what every client must be able to take."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import jsonschema  # type: ignore[import-untyped]
import pytest
from mcp_types import Tool as PublishedTool
from pydantic import MISSING, BaseModel, Field
from pydantic.json_schema import SkipJsonSchema

from tests.support.mcp import Face
from wallet_mcp.server.schema import tool_schema
from wallet_mcp.server.tools import TOOLS

NAMES = [tool.name for tool in TOOLS]
# Gemini, Cursor and others refuse these; titles tell nothing.
UNWANTED = {"anyOf", "oneOf", "allOf", "$ref", "$defs", "title", "not", "const"}


def schemas_in(schema: Any) -> Iterator[dict[str, Any]]:
    """Every schema within a schema, without mistaking the names of properties for keywords."""
    if not isinstance(schema, dict):
        return
    yield schema
    for child in schema.get("properties", {}).values():
        yield from schemas_in(child)
    for name in ("items", "additionalProperties"):
        yield from schemas_in(schema.get(name))


@pytest.mark.anyio
async def test_the_tools_are_listed_in_a_fixed_order(face: Face) -> None:
    first = await face.client.list_tools()
    assert [tool.name for tool in first.tools] == NAMES
    assert len(set(NAMES)) == len(NAMES)
    assert first.next_cursor is None


@pytest.mark.anyio
@pytest.mark.parametrize("name", NAMES)
async def test_each_tool_is_published_whole(face: Face, name: str) -> None:
    tool: PublishedTool = (await face.tools())[name]
    assert re.fullmatch(r"wallet_[a-z_]{3,32}", name)
    assert tool.title
    assert tool.description
    assert 80 < len(tool.description) < 1_000
    assert not re.search(r"\b(IMPORTANT|MUST|NEVER)\b", tool.description)
    hints = tool.annotations
    assert hints is not None
    assert (hints.read_only_hint, hints.destructive_hint, hints.idempotent_hint, hints.open_world_hint) == (
        True,
        False,
        True,
        True,
    )
    wire = tool.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert set(wire["annotations"]) >= {"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"}


@pytest.mark.anyio
@pytest.mark.parametrize("name", NAMES)
async def test_each_schema_is_flat(face: Face, name: str) -> None:
    tool = (await face.tools())[name]
    assert tool.output_schema is not None
    for schema in (tool.input_schema, tool.output_schema):
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["type"] == "object"
        assert schema["additionalProperties"] is False
        for part in schemas_in(schema):
            assert not UNWANTED & set(part), part
            assert isinstance(part.get("type", ""), str), part
            assert part.get("default", 0) is not None
            if "enum" in part:
                assert part["type"] == "string"
        assert "null" not in json.dumps(schema)


@pytest.mark.anyio
@pytest.mark.parametrize("name", NAMES)
async def test_each_argument_has_its_type_and_its_bounds(face: Face, name: str) -> None:
    schema = (await face.tools())[name].input_schema
    for argument, part in schema["properties"].items():
        assert part["type"] in ("string", "integer", "number", "boolean", "array"), argument
        match part["type"]:
            case "integer" | "number":
                assert {"minimum", "maximum", "default"} <= set(part)
            case "string":
                assert "maxLength" in part or "enum" in part
                assert "description" in part or "enum" in part
            case "array":
                assert {"maxItems", "minItems", "items", "description"} <= set(part)
                assert "maxLength" in part["items"]
            case _:
                assert {"default", "description"} <= set(part)


@pytest.mark.anyio
async def test_the_list_of_tools_costs_few_tokens(face: Face) -> None:
    for tool in (await face.tools()).values():
        size = len(json.dumps(tool.model_dump(mode="json", by_alias=True, exclude_none=True)))
        assert size < 6_000, tool.name


class _Inner(BaseModel):
    """Words that no client needs."""

    title: str
    kind: Literal["a", "b"] = "a"


class _Outer(BaseModel):
    """Words that no client needs."""

    inner: Annotated[_Inner, Field(description="kept")]
    many: list[_Inner]
    by_name: dict[str, _Inner]
    maybe: Annotated[str, Field(max_length=3)] | SkipJsonSchema[None] = None
    absent: int | MISSING = MISSING


def test_parts_are_written_out_in_place() -> None:
    inner = {
        "properties": {
            "title": {"type": "string"},
            "kind": {"default": "a", "enum": ["a", "b"], "type": "string"},
        },
        "required": ["title"],
        "type": "object",
    }
    assert tool_schema(_Outer, "validation") == {
        "additionalProperties": False,
        "properties": {
            "inner": {**inner, "description": "kept"},
            "many": {"items": inner, "type": "array"},
            "by_name": {"additionalProperties": inner, "type": "object"},
            "maybe": {"maxLength": 3, "type": "string"},
            "absent": {"type": "integer"},
        },
        "required": ["inner", "many", "by_name"],
        "type": "object",
    }


class _Empty(BaseModel):
    """Nothing."""


def test_a_model_without_fields_is_still_an_object() -> None:
    assert tool_schema(_Empty, "validation") == {"type": "object", "properties": {}, "additionalProperties": False}
