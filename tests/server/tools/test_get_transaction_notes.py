"""What wallet_get_transaction says beside the figures: labels, and notes only where there is something to note."""

from __future__ import annotations

import pytest

from tests.support.mcp import STRANGER, Era, Face, connect, usable_settings
from wallet_mcp.server.output import CHAIN_TEXT_NOTICE
from wallet_mcp.server.units import UNDECIDED_NOTE, UNREADABLE_NOTE
from wallet_mcp.wallet.labels import parse_labels

TOOL = "wallet_get_transaction"

pytestmark = pytest.mark.anyio


async def test_parties_with_a_label_are_told_by_it(era: Era) -> None:
    async with connect(era) as probe:
        me = probe.wallets["history"]
    settings = usable_settings(wallets=parse_labels(f"treasury={me},other={STRANGER}"))
    async with connect(era, settings=settings) as face:
        example = face.world.examples["swap"]
        answer = await face.answer(TOOL, tx_hash=example.hash, chain=example.chain)
        assert answer["labels"] == {"treasury": me.lower()}
        assert f"Labels: treasury {me.lower()}." in answer.lines
        assert me.lower() in (answer["movements"][0]["from"], answer["movements"][0]["to"])


async def test_only_a_symbol_that_anybody_can_choose_is_called_untrusted(face: Face) -> None:
    for kind, foreign in (("swap", False), ("failed", False), ("airdrop", True), ("native_out", False)):
        example = face.world.examples[kind]
        answer = await face.answer(TOOL, tx_hash=example.hash, chain=example.chain)
        assert (CHAIN_TEXT_NOTICE in answer.notes) is foreign, kind


async def test_a_note_speaks_of_a_reading_only_where_there_is_one(face: Face) -> None:
    for kind, note, other in (
        ("swap", UNDECIDED_NOTE, UNREADABLE_NOTE),
        ("airdrop", UNREADABLE_NOTE, UNDECIDED_NOTE),
    ):
        example = face.world.examples[kind]
        answer = await face.answer(TOOL, tx_hash=example.hash, chain=example.chain)
        assert note in answer["notes"]
        assert other not in answer["notes"]
        assert any("amount_if_base_units" in move for move in answer["movements"]) is (note == UNDECIDED_NOTE)
