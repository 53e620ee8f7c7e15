"""JSON schemas as every client takes them: flat, without `$ref`, `anyOf`, `null` and noise.

Gemini, Cursor and others refuse `anyOf` and `null`, and pydantic's titles cost tokens and tell nothing.
"""

from __future__ import annotations

import copy
from typing import Any, Literal

from pydantic import BaseModel

JsonSchema = dict[str, Any]


def tool_schema(model: type[BaseModel], mode: Literal["validation", "serialization"]) -> JsonSchema:
    """The schema of a tool's input or output model; its root is always an object without unknown properties."""
    raw = model.model_json_schema(mode=mode)
    definitions = raw.pop("$defs", {})
    schema = _flatten(raw, definitions)
    schema.pop("description", None)
    schema.setdefault("type", "object")
    schema.setdefault("properties", {})
    schema["additionalProperties"] = False
    return schema


def _flatten(schema: JsonSchema, definitions: JsonSchema) -> JsonSchema:
    if "$ref" in schema:
        target = copy.deepcopy(definitions[schema["$ref"].removeprefix("#/$defs/")])
        target.pop("description", None)
        schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    flat: JsonSchema = {}
    for key, value in schema.items():
        if key == "title" or (key == "default" and value is None):
            continue
        if key == "properties":
            # Names of fields, not keywords: a field may be called "title".
            flat[key] = {name: _flatten(child, definitions) for name, child in value.items()}
        elif isinstance(value, dict):
            flat[key] = _flatten(value, definitions)
        elif isinstance(value, list):
            flat[key] = [_flatten(item, definitions) if isinstance(item, dict) else item for item in value]
        else:
            flat[key] = value
    return flat
