from __future__ import annotations

from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_mcp.settings import Settings, load_settings
from wallet_mcp.wallet_api.endpoints import DEFAULT_BASE_URL
from wallet_mcp.wallet_api.transport import is_loopback


def load(base_url: str) -> Settings:
    return load_settings({"WALLET_MCP_BASE_URL": base_url})


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("https://web3.binance.com/build", None),
        ("https://web3.binance.com/build///", "https://web3.binance.com/build"),
        ("HTTPS://Example.org", None),
        ("https://example.org:8443/a/build", None),
        ("http://127.0.0.1:8750/build", None),
        ("http://127.1.2.3/build", None),
        ("http://localhost:1/build", None),
        ("http://LOCALHOST./build", None),
        ("http://[::1]:8750/build", None),
    ],
)
def test_a_base_url_that_may_be_used(text: str, kept: str | None) -> None:
    settings = load(f" {text} ")
    assert (settings.base_url, settings.problems) == (kept or text, ())


@pytest.mark.parametrize(
    ("rule", "texts"),
    [
        (
            "must start with https://; plain http is allowed only towards this machine (127.0.0.1, localhost).",
            [
                "http://web3.binance.com/build",
                "http://localhost.example.org/build",
                "http://127.0.0.1.example.org",
                "http://0.0.0.0/build",
                "http://10.0.0.1/build",
                "http://127.1/build",
                "http://2130706433/build",
                "http://[::ffff:8.8.8.8]/build",
            ],
        ),
        (
            "must not hold a user name or password.",
            ["https://me@example.org/build", "https://me:pw@example.org", "http://@localhost", "https://a\\@b.org"],
        ),
        (
            "must end with its path: no query and no fragment.",
            [
                "https://example.org/build?x=1",
                "https://example.org/build?",
                "https://example.org/#",
                "https://a.org?",
            ],
        ),
        ("has white space inside.", ["https://exa mple.org", "https://example.org/\tbuild", "https://a.org/b\nc"]),
        (
            "is no URL; its default is https://web3.binance.com/build.",
            ["https://example.org:99999", "https://example.org:port", "https://[::1", "https://[nonsense]/"],
        ),
        (
            "must be a URL such as https://web3.binance.com/build.",
            [
                "web3.binance.com/build",
                "localhost:8750/build",
                "ftp://example.org",
                "file:///etc/passwd",
                "https://",
                "https:///build",
                "https://example.org:0/",
                "https://example.org:/build",
                "https://exämple.org/build",
                "https://exa<mple.org/build",
                "https://a%2eb/build",
                "https://a\\b/build",
            ],
        ),
    ],
)
def test_a_base_url_that_may_not_be_used(rule: str, texts: list[str]) -> None:
    for text in texts:
        settings = load(text)
        assert (settings.problems, settings.base_url) == ((f"WALLET_MCP_BASE_URL {rule}",), DEFAULT_BASE_URL), text


URL_PIECES = ["https://", "http://", "127.0.0.1", "localhost", "a.b", "[::1]", "xn--", "@", ":", "/", "\\", "?", "#"]
URL_PIECES += ["%2f", "%40", "8080", "..", "[", "]", ";", "<", "|", "^", "é", "\u200b", "\x00", "0", "-"]


@given(st.sampled_from(["https://", "http://", ""]), st.lists(st.sampled_from(URL_PIECES), max_size=7).map("".join))
def test_whatever_base_url_passes_means_the_same_to_the_client(scheme: str, rest: str) -> None:
    settings = load(scheme + rest)
    if not settings.problems:
        read = httpx.URL(settings.base_url)
        assert read.host == (urlsplit(settings.base_url).hostname or "").lower()
        assert not (read.userinfo or read.query or read.fragment)
        assert read.scheme == "https" or is_loopback(read.host)
