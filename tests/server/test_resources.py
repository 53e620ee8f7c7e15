"""Resources and completions through a real client in both eras."""

from __future__ import annotations

import mcp_types as types
import pytest
from mcp import MCPError

from tests.support.mcp import Face, connect, usable_settings
from wallet_mcp.server.remediation import error_catalog
from wallet_mcp.server.resources import complete, read_resource
from wallet_mcp.settings import Settings
from wallet_mcp.wallet.chains import Chain
from wallet_mcp.wallet.labels import parse_labels

pytestmark = pytest.mark.anyio


async def read(face: Face, uri: str) -> str:
    """The text of a resource."""
    (content,) = (await face.client.read_resource(uri)).contents
    assert isinstance(content, types.TextResourceContents)
    assert content.mime_type == "text/markdown"
    return content.text


async def test_the_lists_are_short_and_described(face: Face) -> None:
    listed = (await face.client.list_resources()).resources
    assert [str(resource.uri) for resource in listed] == ["wallet://chains", "wallet://errors"]
    (template,) = (await face.client.list_resource_templates()).resource_templates
    assert template.uri_template == "wallet://errors/{code}"
    assert all(resource.title and resource.description for resource in listed)
    assert template.title
    assert template.description


async def test_the_chains_are_the_live_list(face: Face) -> None:
    text = await read(face, "wallet://chains")
    rows = [line for line in text.splitlines() if line.startswith("| ") and "---" not in line][1:]
    assert [row.split(" | ")[0].strip("| ") for row in rows] == [chain.id for chain in face.world.chains]


async def test_the_chains_can_be_read_without_a_key() -> None:
    async with connect(settings=Settings(missing=("WALLET_MCP_API_KEY is not set.",))) as face:
        assert "| 56 | BNB Chain | BSC | BNB | yes |" in await read(face, "wallet://chains")
        assert not face.sandbox.requests


async def test_each_error_is_in_the_table_and_on_a_page_of_its_own(face: Face) -> None:
    table = await read(face, "wallet://errors")
    for row in error_catalog():
        assert f"| `{row.code}` |" in table
    page = await read(face, "wallet://errors/40102")
    assert page.startswith("# Error 40102\n")
    assert "signature" in page


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("wallet://errors/99", "wallet://errors/99"),
        ("wallet://errors/", "wallet://errors/"),
        ("wallet://errors/00012", "wallet://errors/00012"),
        ("wallet://errors/４0012", "wallet://errors/40012"),
        ("wallet://errors/400123", "wallet://errors/400123"),
        ("wallet://nothing", "wallet://nothing"),
        ("wallet://chains/", "wallet://chains/"),
        ("https://example.org/", "hxxps://example[.]org/"),
        ("wallet://evil.example/<b>", "wallet://evil[.]example/‹b›"),
        ("wallet://https://evil.example", "wallet://hxxps://evil[.]example"),
        ("wallet://" + "x" * 300, f"wallet://{'x' * 79}…"),
    ],
)
async def test_an_unknown_resource_is_invalid_params(uri: str, shown: str) -> None:
    with pytest.raises(MCPError) as raised:
        await read_resource(uri, _no_chains)
    assert raised.value.code == types.INVALID_PARAMS
    known = "wallet://chains, wallet://errors and wallet://errors/{code}"
    assert raised.value.message == f"Unknown resource: {shown}. There are {known}."


async def _no_chains() -> tuple[Chain, ...]:
    raise AssertionError("no chain list is needed")


async def test_an_unknown_resource_is_told_through_the_protocol(face: Face) -> None:
    with pytest.raises(MCPError) as raised:
        await face.client.read_resource("wallet://nothing")
    assert raised.value.code == types.INVALID_PARAMS
    assert raised.value.message.startswith("Unknown resource: wallet://nothing. There are wallet://chains")


async def test_chains_labels_and_codes_are_completed() -> None:
    labels = parse_labels("treasury=0x" + "ab" * 20 + ",ops=0x" + "cd" * 20)
    async with connect(settings=usable_settings(wallets=labels)) as face:
        prompt = types.PromptReference(name="portfolio_review")
        answer = await face.client.complete(prompt, {"name": "address", "value": "T"})
        assert answer.completion.values == ["treasury"]
        answer = await face.client.complete(prompt, {"name": "chains", "value": "eth, b"})
        assert answer.completion.values == ["eth, bsc", "eth, BNB Chain", "eth, base"]
        one = types.PromptReference(name="recent_activity")
        answer = await face.client.complete(one, {"name": "chain", "value": "b"})
        assert answer.completion.values == ["bsc", "BNB Chain", "base"]
        # This argument takes one chain.
        answer = await face.client.complete(one, {"name": "chain", "value": "eth, b"})
        assert answer.completion.values == []
        template = types.ResourceTemplateReference(uri="wallet://errors/{code}")
        answer = await face.client.complete(template, {"name": "code", "value": "4010"})
        assert answer.completion.values == ["40101", "40102", "40103", "40104"]


@pytest.mark.parametrize(
    ("ref", "argument"),
    [
        (types.PromptReference(name="explain_transaction"), "tx_hash"),
        (types.PromptReference(name="recent_activity"), "period"),
        (types.PromptReference(name="recent_activity"), "chains"),
        (types.PromptReference(name="recent_activity"), "nothing"),
        (types.PromptReference(name="diagnose_setup"), "address"),
        (types.ResourceTemplateReference(uri="wallet://errors/{code}"), "address"),
        (types.ResourceTemplateReference(uri="wallet://chains"), "chain"),
    ],
)
async def test_nothing_is_offered_where_nothing_is_known(
    ref: types.PromptReference | types.ResourceTemplateReference, argument: str
) -> None:
    assert complete(ref, argument, "", ["a"]).completion.values == []


@pytest.mark.parametrize(
    ("ref", "told"),
    [
        (types.PromptReference(name="nothing"), "Unknown prompt: nothing. There are check_token_holding, "),
        (types.PromptReference(name="<b>" + "x" * 300), "Unknown prompt: ‹b›xx"),
        (
            types.ResourceTemplateReference(uri="wallet://nothing/{code}"),
            "Unknown resource: wallet://nothing/(code). ",
        ),
        (types.ResourceTemplateReference(uri="wallet://errors/40102"), "Unknown resource: wallet://errors/40102. "),
    ],
)
async def test_a_completion_of_what_does_not_exist_is_invalid_params(
    face: Face, ref: types.PromptReference | types.ResourceTemplateReference, told: str
) -> None:
    with pytest.raises(MCPError) as raised:
        await face.client.complete(ref, {"name": "code", "value": "4"})
    assert raised.value.code == types.INVALID_PARAMS
    assert raised.value.message.startswith(told)
    assert len(raised.value.message) < 300


@pytest.mark.parametrize(
    ("code", "family"),
    [("40012", "400xx"), ("40305", "403xx"), ("40199", "401xx"), ("59999", "5xxxx"), ("12345", "other")],
)
async def test_a_code_that_nobody_has_seen_has_the_page_of_its_family(face: Face, code: str, family: str) -> None:
    row = next(row for row in error_catalog() if row.code == family)
    assert await read(face, f"wallet://errors/{code}") == (
        f"# Error {code}\n\nThis server does not know this code: this is its advice for codes that nobody has seen "
        f"({family}).\n\n"
        f"{row.summary}. Who acts: {row.actor}.\n\n{row.next_step}\n"
    )
    assert "nobody has seen" not in await read(face, "wallet://errors/40102")
