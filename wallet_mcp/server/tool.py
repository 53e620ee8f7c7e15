"""What a tool is: its names, its `Input` and `Output`, `run` between them, and `render` from output to text."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import mcp_types as types

from wallet_mcp.server.arguments import ToolInput, read_arguments, rules_of
from wallet_mcp.server.output import ToolOutput
from wallet_mcp.server.schema import tool_schema

if TYPE_CHECKING:
    from wallet_mcp.server.context import ToolContext

I = TypeVar("I", bound=ToolInput)  # noqa: E741
O = TypeVar("O", bound=ToolOutput)  # noqa: E741

# Formally moot where readOnlyHint is true, but clients filter by each of the four.
READ_ONLY = types.ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=True
)


@dataclass(frozen=True)
class Tool(Generic[I, O]):
    """A tool of the server.

    `run` resolves and checks its arguments, asks the API and says what the answers mean; it raises `ApiError`,
    `ArgumentProblem` or `SetupProblem`. `render` makes the text from the output alone, so both hold the same facts.
    `upstream_names` maps fields that upstream may complain about to the tool's own arguments.
    """

    name: str
    title: str
    description: str
    input_model: type[I]
    output_model: type[O]
    run: Callable[[ToolContext, I], Awaitable[O]]
    render: Callable[[O], list[str]]
    upstream_names: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def definition(self) -> types.Tool:
        """The tool as a client sees it."""
        return types.Tool(
            name=self.name,
            title=self.title,
            description=self.description,
            input_schema=tool_schema(self.input_model, "validation"),
            output_schema=tool_schema(self.output_model, "serialization"),
            annotations=READ_ONLY,
        )

    @cached_property
    def rules(self) -> Mapping[str, str]:
        """The rule of each argument in words."""
        return rules_of(self.input_model)

    async def call(self, context: ToolContext, arguments: Mapping[str, Any] | None) -> types.CallToolResult:
        """The answer to a call, as structure and as text with the same facts."""
        output = await self.run(context, read_arguments(self.input_model, arguments))
        return types.CallToolResult(
            content=[types.TextContent(type="text", text="\n".join(self.render(output)))],
            structured_content=output.model_dump(mode="json"),
        )
