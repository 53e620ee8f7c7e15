"""Recorded answers as an ASGI app: what `wallet-mcp probe` wrote is served again, so that tests can work on it.

Only questions that were asked have an answer; nothing is checked of key, signature, clock and rate, for the answers
are those that passed the real checks. Times in them are those of the recording.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl, quote

from wallet_mcp.sandbox.app import Receive, Scope, Send

ROOT: Final = "/build"
_MAX_BODY: Final = 1024 * 1024
_LABEL: Final = "recorded"

_Question: TypeAlias = tuple[str, str, tuple[tuple[str, str], ...], str]


class BadRecording(ValueError):
    """A folder that holds no recording; the message names the file that is wrong."""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Replay:
    """An ASGI app that serves the fixtures of a folder below `/build`. Raises `BadRecording`.

    The order of query parameters does not matter, nor does the form of a JSON body. A question that was asked several
    times is answered with its recorded answers in turn, and from then on with the last. Any other question gets HTTP
    404. Every answer carries `x-wallet-mcp-sandbox`, for it does not come from the live API.
    """

    def __init__(self, folder: Path) -> None:
        self._answers: dict[_Question, list[_Answer]] = {}
        self._addresses: dict[str, None] = {}
        files = sorted(folder.glob("*.json"))
        if not files:
            raise BadRecording(f"{folder} holds no recorded answers (*.json)")
        for file in files:
            try:
                self._take(json.loads(file.read_text(encoding="utf-8")))
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                raise BadRecording(f"{file} is no recorded answer") from None

    @property
    def wallets(self) -> Mapping[str, str]:
        """Label -> address of the wallets that were asked about."""
        return {f"{_LABEL}{number or ''}": address for number, address in enumerate(self._addresses)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http":
            return
        body = await _read(receive)
        path = (scope.get("raw_path") or quote(scope["path"]).encode()).decode("latin-1")
        query = tuple(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        answer = self._answer(scope["method"], path, query, body)
        labels = ",".join(f"{label}={address}" for label, address in self.wallets.items())
        headers = [
            *answer.headers,
            ("content-length", str(len(answer.body))),
            ("x-wallet-mcp-sandbox", "1"),
            ("x-wallet-mcp-sandbox-wallets", labels),
        ]
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        start: MutableMapping[str, Any] = {"type": "http.response.start", "status": answer.status, "headers": raw}
        await send(start)
        await send({"type": "http.response.body", "body": answer.body})

    def _take(self, fixture: Mapping[str, Any]) -> None:
        if fixture["varied"]:
            # Signed in a way that no client signs, so its answer is not that to the question.
            return
        asked, told = fixture["request"], fixture["response"]
        query = tuple((str(name), str(value)) for name, value in asked["query"])
        body = "" if asked["body"] is None else _canonical(asked["body"])
        question = (str(asked["method"]), ROOT + str(asked["path"]), tuple(sorted(query)), body)
        content = json.dumps(told["body"], ensure_ascii=False, separators=(",", ":")).encode()
        headers = tuple((str(name), str(value)) for name, value in told["headers"].items())
        self._answers.setdefault(question, []).append(_Answer(int(told["status"]), headers, content))
        address = dict(query).get("address")
        if address is not None and told["body"].get("code") == 0:
            self._addresses[address] = None

    def _answer(self, method: str, path: str, query: tuple[tuple[str, str], ...], body: bytes) -> _Answer:
        try:
            sent = _canonical(json.loads(body)) if body else ""
        except ValueError:
            sent = "no JSON"
        recorded = self._answers.get((method, path, tuple(sorted(query)), sent))
        if recorded:
            return recorded.pop(0) if len(recorded) > 1 else recorded[0]
        missing = {"error": "Not Found", "message": "no recorded answer to this request", "path": path, "status": 404}
        return _Answer(404, (("content-type", "application/json"),), json.dumps(missing).encode())


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False) or len(body) > _MAX_BODY:
            return bytes(body)
