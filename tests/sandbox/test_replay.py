"""Recorded answers served again: the question decides, its order and spelling do not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from wallet_mcp.sandbox.replay import BadRecording, Replay

BASE = "http://127.0.0.1/build"
HEADERS = {"content-type": "application/json", "x-oc-ratelimit-limit": "5"}


def fixture(
    query: list[list[str]] | None = None,
    body: object = None,
    *,
    answer: object = None,
    method: str = "GET",
    varied: bool = False,
    status: int = 200,
) -> dict[str, Any]:
    return {
        "name": "a",
        "varied": varied,
        "request": {"method": method, "path": "/p", "query": query or [], "body": body},
        "response": {"status": status, "headers": HEADERS, "body": {"code": 0} if answer is None else answer},
    }


def replay(folder: Path, *fixtures: Mapping[str, Any]) -> Replay:
    for number, each in enumerate(fixtures):
        (folder / f"{number:02d}.json").write_text(json.dumps(each), encoding="utf-8")
    return Replay(folder)


async def ask(app: Replay, method: str, target: str, **options: Any) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app)) as client:
        return await client.request(method, BASE + target, **options)


@pytest.mark.anyio
@pytest.mark.parametrize("target", ["/p?a=1&b=x%2Cy", "/p?b=x,y&a=1"])
async def test_a_recorded_question_has_its_answer_in_any_order(target: str, tmp_path: Path) -> None:
    app = replay(tmp_path, fixture([["a", "1"], ["b", "x,y"]], answer={"code": 40001, "msg": "é"}, status=401))
    answer = await ask(app, "GET", target)
    assert (answer.status_code, answer.json()) == (401, {"code": 40001, "msg": "é"})
    assert answer.headers["x-oc-ratelimit-limit"] == "5"
    assert answer.headers["x-wallet-mcp-sandbox"] == "1"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("method", "target", "content"),
    [
        ("GET", "/p?a=2", b""),
        ("GET", "/p", b""),
        ("GET", "/q?a=1", b""),
        ("GET", "/p?a=1&a=1", b""),
        ("GET", "/p?a=1&b=", b""),
        ("POST", "/p?a=1", b""),
        ("GET", "/p?a=1", b"{}"),
        ("GET", "/p?a=1", b"no JSON"),
    ],
)
async def test_any_other_question_has_none(method: str, target: str, content: bytes, tmp_path: Path) -> None:
    answer = await ask(replay(tmp_path, fixture([["a", "1"]])), method, target, content=content)
    assert answer.status_code == 404
    assert answer.json()["message"] == "no recorded answer to this request"
    assert answer.headers["x-wallet-mcp-sandbox"] == "1"


@pytest.mark.anyio
@pytest.mark.parametrize("content", [b'{"a":1,"b":[2]}', b'{ "b": [2], "a": 1 }'])
async def test_a_body_counts_by_its_meaning(content: bytes, tmp_path: Path) -> None:
    app = replay(tmp_path, fixture(body={"a": 1, "b": [2]}, method="POST"))
    assert (await ask(app, "POST", "/p", content=content)).status_code == 200
    assert (await ask(app, "POST", "/p", content=b'{"a":1,"b":[3]}')).status_code == 404


@pytest.mark.anyio
async def test_repeated_questions_are_answered_in_turn(tmp_path: Path) -> None:
    app = replay(tmp_path, fixture(answer={"code": 1}), fixture(answer={"code": 2}))
    assert [(await ask(app, "GET", "/p")).json()["code"] for _ in range(3)] == [1, 2, 2]


@pytest.mark.anyio
async def test_what_no_client_would_have_signed_is_left_out(tmp_path: Path) -> None:
    app = replay(tmp_path, fixture(varied=True))
    assert (await ask(app, "GET", "/p")).status_code == 404


def test_the_wallets_are_those_that_were_answered(tmp_path: Path) -> None:
    app = replay(
        tmp_path,
        fixture([["address", "0xa"]]),
        fixture([["address", "0xa"], ["page", "2"]]),
        fixture([["address", "0xb"]]),
        fixture([["address", "0x123"]], answer={"code": 40001}),
    )
    assert dict(app.wallets) == {"recorded": "0xa", "recorded1": "0xb"}


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["lifespan", "websocket"])
async def test_other_connections_are_left_alone(kind: str, tmp_path: Path) -> None:
    async def never(*_: Any) -> Any:
        raise AssertionError("nothing is read or sent")

    await replay(tmp_path, fixture())({"type": kind}, never, never)


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "{}", '{"varied": false, "request": {}}', json.dumps(fixture() | {"response": {"status": "x"}})],
)
def test_a_file_of_another_form_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(BadRecording, match=r"bad\.json is no recorded answer"):
        Replay(tmp_path)


def test_a_folder_without_answers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRecording, match="holds no recorded answers"):
        Replay(tmp_path)


@pytest.mark.anyio
async def test_a_body_in_pieces_is_read_whole_and_an_endless_one_is_not(tmp_path: Path) -> None:
    app = replay(tmp_path, fixture(body={"a": 1}, method="POST"))
    statuses: list[int] = []

    async def send(message: Any) -> None:
        if "status" in message:
            statuses.append(message["status"])

    scope = {"type": "http", "method": "POST", "path": "/build/p", "query_string": b"", "headers": []}
    parts = iter([b'{"a"', b":1}"])
    seen = 0

    async def pieces() -> Any:
        nonlocal seen
        seen += 1
        return {"type": "http.request", "body": next(parts), "more_body": seen == 1}

    async def endless() -> Any:
        return {"type": "http.request", "body": b" " * 500_000, "more_body": True}

    await app(scope, pieces, send)
    await app(scope, endless, send)
    assert statuses == [200, 404]
