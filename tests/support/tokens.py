"""Tokens as the o200k vocabulary counts them; the tokenizer's import warning is dealt with here, once."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from functools import cache


@cache
def _encoder() -> Callable[[str], list[int]]:
    with warnings.catch_warnings():
        # The package reads its vocabulary in a deprecated way.
        warnings.simplefilter("ignore", DeprecationWarning)
        from bpe_openai import get_encoding

        encode: Callable[[str], list[int]] = get_encoding("o200k_base").encode
    return encode


def tokens(text: str) -> int:
    """How many o200k tokens a text is."""
    return len(_encoder()(text))


def compact(value: object) -> str:
    """Compact JSON, as a structure is counted: no spaces, no escapes."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def json_tokens(value: object) -> int:
    """How many o200k tokens a structure is as compact JSON."""
    return tokens(compact(value))
