"""What `wallet-mcp probe` asks: about 25 read-only requests, each for a fact that the published contract leaves open.

Where the client sends the same request, it is spelled the same here, so that the recorded answers serve it too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from wallet_mcp.server.setup.asking import Asked
from wallet_mcp.wallet.addresses import Address
from wallet_mcp.wallet.chains import Chain
from wallet_mcp.wallet.known_tokens import tokens_by_symbol
from wallet_mcp.wallet_api.endpoints import BALANCES, HISTORY, NATIVE_FORM, TokenRef, chains_call, token_call
from wallet_mcp.wallet_api.retry import Call

UNKNOWN_CHAIN: Final = "987654321"
PAGE: Final = 100
TOO_MANY_TOKENS: Final = 21
BAD_CURSOR: Final = "not-a-cursor"
UNKNOWN_HASH: Final = "0x" + "0" * 63 + "1"
_UNKNOWN_SIGNATURE: Final = "1" * 63 + "2"
_STABLES: Final = ("USDC", "USDT", "DAI")

Answers = Mapping[str, Asked]


@dataclass(frozen=True, slots=True)
class Target:
    """Whom and where it is asked about. `other` is a second chain for the same address, empty where there is none."""

    address: Address
    chain: Chain
    other: str = ""
    tx_hash: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """One request. `make` gets the answers so far and returns None where they give nothing to ask with.

    `at_once`: without the gap to the one before. `recv_window` and `write_time` differ from what the client sends.
    """

    name: str
    shows: str
    make: Callable[[Answers], Call | None]
    at_once: bool = False
    recv_window: str = ""
    write_time: Callable[[str], str] | None = None

    @property
    def varied(self) -> bool:
        """Whether it was not signed as the client signs."""
        return bool(self.recv_window) or self.write_time is not None


def questions(target: Target) -> list[Question]:
    """All questions about a target, in their order."""
    address, chain, other = target.address.text, target.chain.id, target.other
    balances = _balances(address, chains=chain, excludeRiskToken="false", page="1", pageSize=str(PAGE))
    history = _history(address, chains=chain, limit=str(PAGE))
    several = f"{chain},{other}"
    plan = [
        Question("chains", "the chain list, the rate headers", _always(chains_call())),
        Question("chains-filtered", "whether the filter works", _always(_chains(chain)), at_once=True),
        Question(
            "balances", "the form of a balance page, the native coin's contract, the order", _always(balances), True
        ),
        Question("chains-unknown", "what an unknown chain is answered", _always(_chains(UNKNOWN_CHAIN))),
        Question(
            "balances-default-risk",
            "whether risk tokens are left out by default",
            _always(_balances(address, chains=chain, page="1", pageSize=str(PAGE))),
        ),
        Question(
            "balances-without-risk",
            "the same without risk tokens",
            _always(_balances(address, chains=chain, excludeRiskToken="true", page="1", pageSize=str(PAGE))),
        ),
        Question(
            "balances-unknown-chain", "an unknown chain here", _always(_balances(address, chains=UNKNOWN_CHAIN))
        ),
        Question(
            "balances-page-size-101",
            "a page that is too large",
            _always(_balances(address, chains=chain, pageSize="101")),
        ),
        Question("balances-page-0", "a page before the first", _always(_balances(address, chains=chain, page="0"))),
        Question("balances-bad-address", "a malformed address", _always(_balances("0x123", chains=chain))),
        Question(
            "tokens-native-blank",
            "the native coin asked as a blank contract",
            _always(_tokens(target, [""])),
        ),
        Question(
            "tokens-native-placeholder",
            "the native coin asked as 0xeeee...eeee",
            _always(_tokens(target, [""], NATIVE_FORM)),
        ),
        Question("tokens-held-and-not", "whether a token without balance is left out", _held_and_not(target)),
        Question("tokens-21", "more than 20 tokens", _always(_tokens(target, [NATIVE_FORM] * TOO_MANY_TOKENS))),
        Question("history", "forms, nulls and units of history rows", _always(history)),
        Question("history-next-page", "whether the cursor continues where the page ended", _next_page(target)),
        Question(
            "history-bad-cursor", "a cursor that is none", _always(_history(address, chains=chain, cursor=BAD_CURSOR))
        ),
        Question(
            "history-limit-101", "a limit that is too large", _always(_history(address, chains=chain, limit="101"))
        ),
        Question(
            "history-begin-after-end",
            "a time span that ends before it begins",
            _always(_history(address, chains=chain, begin="1760000000000", end="1750000000000", limit="20")),
        ),
        Question("detail", "forms and units of a transaction's detail", _detail_of(target)),
        Question(
            "detail-unknown",
            "a hash that is not there",
            _always(_detail(chain, UNKNOWN_HASH if target.address.family == "evm" else _UNKNOWN_SIGNATURE)),
        ),
        Question(
            "recv-window-60001", "a receive window above the maximum", _always(chains_call()), recv_window="60001"
        ),
        Question(
            "timestamp-seconds", "a timestamp without milliseconds", _always(chains_call()), write_time=_whole_seconds
        ),
    ]
    if other:
        plan[10:10] = [
            Question(
                "balances-two-chains", "several chains in one request", _always(_balances(address, chains=several))
            )
        ]
        plan[-4:-4] = [
            Question(
                "history-two-chains",
                "the same for history",
                _always(_history(address, chains=several, limit=str(PAGE))),
            )
        ]
    return plan


def rows_of(asked: Asked | None, listing: str) -> list[dict[str, object]]:
    """The rows in the named list of all entries of a success; none of anything else."""
    if asked is None or asked.envelope is None:
        return []
    lists = [entry.get(listing) for entry in asked.envelope.data if isinstance(entry, dict)]
    return [row for rows in lists if isinstance(rows, list) for row in rows if isinstance(row, dict)]


def text_of(row: Mapping[str, object], name: str) -> str:
    """A field as text; empty where it is absent, null or of another type."""
    value = row.get(name)
    return value if isinstance(value, str) else ""


def native_contract(contract: str) -> bool:
    """Whether a contract stands for the native coin, in one of its forms."""
    return contract.lower() in ("", NATIVE_FORM)


def _always(call: Call) -> Callable[[Answers], Call | None]:
    return lambda _answers: call


def _chains(chain: str) -> Call:
    return chains_call(("binanceChainId", chain))


def _balances(address: str, **fields: str) -> Call:
    query = (("address", address), *fields.items())
    return Call("all_token_balances", "GET", f"{BALANCES}/all-token-balances-by-address", query)


def _history(address: str, **fields: str) -> Call:
    query = (("address", address), *fields.items())
    return Call("transactions", "GET", f"{HISTORY}/transactions-by-address", query)


def _detail(chain: str, tx_hash: str) -> Call:
    query = (("binanceChainId", chain), ("txHash", tx_hash))
    return Call("transaction_detail", "GET", f"{HISTORY}/transaction-detail-by-txhash", query)


def _tokens(target: Target, contracts: Sequence[str], native_form: str = "") -> Call:
    return token_call(target.address.text, [TokenRef(target.chain.id, each) for each in contracts], native_form)


def _held_and_not(target: Target) -> Callable[[Answers], Call | None]:
    def make(answers: Answers) -> Call | None:
        held = [text_of(row, "tokenContractAddress") for row in rows_of(answers.get("balances"), "tokenAssets")]
        tokens = [contract for contract in held if not native_contract(contract)][:1]
        absent = absent_token(target, held)
        if not tokens or not absent:
            return None
        return _tokens(target, [*tokens, absent])

    return make


def absent_token(target: Target, held: Sequence[str]) -> str:
    """A well-known token that the page of balances does not list; empty where the page is full and cannot tell."""
    if len(held) >= PAGE:
        return ""
    known = [token.contract for symbol in _STABLES for token in tokens_by_symbol(target.chain.id, symbol)]
    folded = {contract.lower() for contract in held}
    return next((contract for contract in known if contract.lower() not in folded), "")


def _next_page(target: Target) -> Callable[[Answers], Call | None]:
    def make(answers: Answers) -> Call | None:
        asked = answers.get("history")
        entries = asked.envelope.data if asked is not None and asked.envelope is not None else []
        cursor = next((text_of(entry, "cursor") for entry in entries if isinstance(entry, dict)), "")
        if not cursor:
            return None
        return _history(target.address.text, chains=target.chain.id, cursor=cursor, limit=str(PAGE))

    return make


def _detail_of(target: Target) -> Callable[[Answers], Call | None]:
    def make(answers: Answers) -> Call | None:
        rows = rows_of(answers.get("history"), "transactionList")
        # A token transfer has the most to show.
        rows.sort(key=lambda row: text_of(row, "itype") != "2")
        tx_hash = target.tx_hash or next((text_of(row, "txHash") for row in rows if text_of(row, "txHash")), "")
        return _detail(target.chain.id, tx_hash) if tx_hash else None

    return make


def _whole_seconds(timestamp: str) -> str:
    return timestamp[:19] + "Z"
