"""What happens in a made-up transaction of each kind: who calls whom, and what moves."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Final

from wallet_mcp.sandbox.world_chains import CHAIN_BY_ID
from wallet_mcp.sandbox.world_model import (
    SOLANA,
    Itype,
    Movement,
    Status,
    Token,
    canonical,
    is_evm,
    made_address,
    made_number,
)
from wallet_mcp.sandbox.world_tokens import HOSTILE, known
from wallet_mcp.sandbox.world_wallets import WALLETS

ROUTERS: Final[Mapping[str, str]] = {
    "1": "0x7a250d5630B4cF539739dF2C5dAcb4c659F2488D",
    "56": "0x10ED43C718714eb63d5aA57B78B54704E256024E",
}
OTHER_ROUTER: Final = "0x1111111254EEB25477B68fb85Ed929f73A960582"
"""The exchange contracts that wallets really swap with: one each on chains 1 and 56, one that stands on many."""


def power(base: int, exponent: int) -> int:
    """`base` to the power of `exponent`, in whole numbers."""
    return math.prod([base] * exponent)


class Setting:
    """One wallet on one chain: its own address and everybody it deals with."""

    def __init__(self, label: str, chain: str) -> None:
        self.name = f"{label} {chain}"
        self.chain = chain
        self.wallet = canonical(WALLETS[label])
        coin = CHAIN_BY_ID[chain]
        self.coin = Token(chain, "", coin.native_symbol, coin.native_decimals)

    def counterparty(self, text: str) -> str:
        """One of the six parties this wallet deals with."""
        return self.party(made_number(text + " counterparty", 0, 5))

    def party(self, number: int) -> str:
        """The party of that number, 0 to 5."""
        return made_address(self.chain, f"{self.name} counterparty {number}")

    def lookalike(self, number: int) -> str:
        """An address that agrees with a counterparty in its first and last four digits, as poisoners make them."""
        real = self.party(number)
        return real[:6] + made_address(self.chain, f"{self.name} look-alike {number}")[6:-4] + real[-4:]

    @cached_property
    def tokens(self) -> tuple[Token, ...]:
        """The two tokens that the wallet uses on the chain."""
        return tuple(known(self.chain, symbol) for symbol in ("USDC", "USDT" if self.chain != "8453" else "DEGEN"))

    @property
    def router(self) -> str:
        """The exchange that the wallet swaps with."""
        if not is_evm(self.chain):
            return made_address(self.chain, "swap program")
        return canonical(ROUTERS.get(self.chain, OTHER_ROUTER))


class Draft:
    """A transaction while it is written: who sent what to whom."""

    def __init__(self, setting: Setting, text: str) -> None:
        self.setting = setting
        self.text = text
        self.me = setting.wallet
        self.other = setting.counterparty(text)
        self.sender = self.me
        self.target = self.other
        self.method_id: str | None = None
        self.status: Status = "success"
        self.blacklisted: bool | None = False
        self.movements: list[Movement] = []

    def token(self, number: int = 0) -> Token:
        """One of the wallet's two tokens; `number` 1 gives the other."""
        return self.setting.tokens[(made_number(self.text + " token", 0, 1) + number) % 2]

    def move(self, itype: Itype, token: Token, raw: int, sender: str, recipient: str) -> None:
        """Add a movement of `raw` base units."""
        self.movements.append(
            Movement(itype, sender, recipient, canonical(token.contract), token.symbol, token.decimals, raw)
        )

    def coins(self, label: str = "") -> int:
        """An amount of the native coin in base units: whole thousandths mostly, all digits in every third case."""
        unit = power(10, self.setting.coin.decimals)
        raw = made_number(f"{self.text} coins {label}", 1, 900) * unit // 1000
        return raw + (made_number(self.text + " tail", 1, 9**8) if raw // (unit // 1000) % 3 == 0 else 0)

    def tokens(self, token: Token, label: str = "") -> int:
        """An amount of a token in base units: whole cents."""
        return made_number(f"{self.text} tokens {label}", 100, 250_000) * power(10, token.decimals - 2)

    def calls(self, target: str, method_id: str) -> None:
        """Make it a call of a contract."""
        self.target = target
        # Solana has no selectors.
        self.method_id = method_id if is_evm(self.setting.chain) else None


def _native_out(draft: Draft) -> None:
    draft.move("0", draft.setting.coin, draft.coins(), draft.me, draft.other)


def _native_in(draft: Draft) -> None:
    draft.sender, draft.target = draft.other, draft.me
    draft.move("0", draft.setting.coin, draft.coins(), draft.other, draft.me)


def _token_out(draft: Draft) -> None:
    token = draft.token()
    draft.calls(token.contract, "0xa9059cbb")
    draft.move("2", token, draft.tokens(token), draft.me, draft.other)


def _token_in(draft: Draft) -> None:
    token = draft.token()
    draft.sender = draft.other
    draft.calls(token.contract, "0xa9059cbb")
    draft.move("2", token, draft.tokens(token), draft.other, draft.me)


def _swap(draft: Draft) -> None:
    router = draft.setting.router
    draft.calls(router, "0x38ed1739")
    draft.move("2", draft.token(), draft.tokens(draft.token(), "out"), draft.me, router)
    draft.move("2", draft.token(1), draft.tokens(draft.token(1), "in"), router, draft.me)


def _buy(draft: Draft) -> None:
    router = draft.setting.router
    draft.calls(router, "0x7ff36ab5")
    draft.move("0", draft.setting.coin, draft.coins(), draft.me, router)
    draft.move("2", draft.token(), draft.tokens(draft.token()), router, draft.me)


def _sell(draft: Draft) -> None:
    router = draft.setting.router
    draft.calls(router, "0x18cbafe5")
    draft.move("2", draft.token(), draft.tokens(draft.token()), draft.me, router)
    draft.move("1", draft.setting.coin, draft.coins(), router, draft.me)


def _batch(draft: Draft) -> None:
    token = draft.token()
    draft.calls(made_address(draft.setting.chain, "batch sender"), "0xe63d38ed")
    for number in range(3):
        draft.move("2", token, draft.tokens(token, str(number)), draft.me, draft.setting.party(number))


def _approve(draft: Draft) -> None:
    draft.calls(draft.token().contract, "0x095ea7b3")
    draft.move("0", draft.setting.coin, 0, draft.me, canonical(draft.token().contract))


def _claim(draft: Draft) -> None:
    vault = made_address(draft.setting.chain, "vault")
    draft.calls(vault, "0x4e71d92d")
    draft.move("1", draft.setting.coin, draft.coins(), vault, draft.me)


def _self(draft: Draft) -> None:
    draft.target = draft.me
    draft.move("0", draft.setting.coin, draft.coins(), draft.me, draft.me)


def _failed(draft: Draft) -> None:
    draft.status = "fail"
    draft.calls(draft.setting.router, "0x38ed1739")
    draft.move("0", draft.setting.coin, 0, draft.me, draft.setting.router)


def _failed_transfer(draft: Draft) -> None:
    draft.status = "fail"
    draft.move("0", draft.setting.coin, draft.coins(), draft.me, draft.other)


def _multisig(draft: Draft) -> None:
    owners = ",".join(made_address(draft.setting.chain, f"owner {number}") for number in range(2))
    draft.sender = owners.split(",")[0]
    draft.target = made_address(draft.setting.chain, "multi-signature wallet")
    draft.method_id = "0x6a761202"
    draft.move("2", draft.token(), draft.tokens(draft.token()), owners, draft.me)


def _airdrop(draft: Draft) -> None:
    hostile = {"1": "url", "56": "telegram", SOLANA: "solana_url"}.get(draft.setting.chain, "system")
    token = HOSTILE[hostile]
    draft.sender = made_address(draft.setting.chain, "airdropper")
    draft.blacklisted = True
    draft.calls(token.contract, "0x67243482")
    draft.move("2", token, 5_000 * power(10, token.decimals), draft.sender, draft.me)


def _poison_out(draft: Draft) -> None:
    # A zero-value transferFrom needs no consent: the row says "from the wallet", the poisoner sent and paid it.
    number = made_number(draft.text + " counterparty", 0, 5)
    draft.sender = made_address(draft.setting.chain, "poisoner")
    draft.calls(draft.token().contract, "0x23b872dd")
    draft.blacklisted = None
    draft.move("2", draft.token(), 0, draft.me, draft.setting.lookalike(number))


def _poison_in(draft: Draft) -> None:
    number = made_number(draft.text + " counterparty", 0, 5)
    token = draft.token()
    draft.sender = draft.setting.lookalike(number)
    draft.calls(token.contract, "0xa9059cbb")
    draft.move("2", token, power(10, token.decimals - 6), draft.sender, draft.me)


KINDS: Final[Mapping[str, Callable[[Draft], None]]] = {
    "native_out": _native_out,
    "native_in": _native_in,
    "token_out": _token_out,
    "token_in": _token_in,
    "swap": _swap,
    "buy": _buy,
    "sell": _sell,
    "batch": _batch,
    "approve": _approve,
    "claim": _claim,
    "self": _self,
    "failed": _failed,
    "failed_transfer": _failed_transfer,
    "multisig": _multisig,
    "airdrop": _airdrop,
    "poison_out": _poison_out,
    "poison_in": _poison_in,
    "settling": _token_out,
    "stuck": _native_out,
}

ROWS: Final[Mapping[str, int]] = {"swap": 2, "sell": 2, "buy": 2, "batch": 3}
"""Kind -> how many movements it has, where not one."""
