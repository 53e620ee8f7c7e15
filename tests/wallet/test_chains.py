from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_mcp.wallet import chains
from wallet_mcp.wallet.chains import (
    KNOWN_CHAINS,
    Chain,
    ChainUnresolved,
    chain_from_listing,
    chains_of_family,
    is_own_name,
    resolve_chain,
)

BY_ID = {chain.id: chain for chain in KNOWN_CHAINS}
SPELLINGS = [
    (name.strip(), chain.id)
    for chain in KNOWN_CHAINS
    for line in (chain.id, chain.name, chain.short_name, *chains._ALIASES[chain.id])
    for name in line.split(",")
]
PUNCTUATION = " -_./()"


@st.composite
def disguised(draw: st.DrawFn) -> tuple[str, str]:
    """A known spelling in any case, with punctuation and white space anywhere but around or between digits."""
    spelling, chain_id = draw(st.sampled_from(SPELLINGS))
    parts = []
    for before, char in zip(" " + spelling, spelling, strict=False):
        may_part = not (char.isdigit() and (before.isdigit() or spelling.isdigit()))
        parts.append(draw(st.sampled_from(PUNCTUATION)) if may_part and draw(st.integers(0, 5)) == 0 else "")
        parts.append(char.upper() if draw(st.booleans()) else char.lower())
    return "".join(parts), chain_id


def refused(text: str, served: tuple[Chain, ...] = KNOWN_CHAINS) -> ChainUnresolved:
    with pytest.raises(ChainUnresolved) as caught:
        resolve_chain(text, served)
    return caught.value


def test_the_table_is_the_live_list_in_its_order() -> None:
    assert [chain.id for chain in KNOWN_CHAINS] == [
        "1",
        "56",
        "137",
        "8453",
        "42161",
        "10",
        "59144",
        "143",
        "9745",
        "CT_501",
    ]
    assert [c.id for c in KNOWN_CHAINS if c.honeypot_checked] == ["1", "56", "8453", "CT_501"]


def test_no_spelling_means_two_chains() -> None:
    meanings: dict[str, set[str]] = {}
    for spelling, chain_id in SPELLINGS:
        meanings.setdefault(chains._key(spelling), set()).add(chain_id)
    assert {key: ids for key, ids in meanings.items() if len(ids) > 1 or not key} == {}
    assert not set(meanings) & set(chains._NOT_SERVED_KEYS)
    assert not set(meanings) & chains._SEVERAL


@given(disguised())
def test_case_and_punctuation_do_not_count(spelled: tuple[str, str]) -> None:
    text, chain_id = spelled
    assert resolve_chain(text).id == chain_id


NUMBERS = [chain.id for chain in KNOWN_CHAINS if chain.id.isdigit()]


@given(st.text("0123456789.,-+ _/:;'()#", max_size=8))
def test_a_text_without_letters_is_an_id_as_it_stands_or_none(text: str) -> None:
    expected = text.strip().removesuffix(".0")
    if expected in NUMBERS:
        assert resolve_chain(text).id == expected
    else:
        assert refused(text).asked == chains._asked(text)


@given(st.sampled_from(NUMBERS), st.data())
def test_digits_that_something_parts_are_never_joined(number: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(1, len(number)))
    parted = number[:at] + data.draw(st.sampled_from([".", ",", " ", "-", "_", "..", ". "])) + (number[at:] or "5")
    for text in (parted, f"chain {parted}", f"{parted} network", f"eip155:{parted}", f"-{number}", f"{number}.5"):
        refused(text)


@pytest.mark.parametrize("chain", KNOWN_CHAINS, ids=lambda chain: chain.id)
def test_a_chain_answers_to_its_name_with_its_id(chain: Chain) -> None:
    for text in (
        f"{chain.name} ({chain.id})",
        f"{chain.short_name.lower()}({chain.id}) ",
        f"{chain.id} ({chain.name})",
    ):
        assert resolve_chain(text) == chain
    for other in KNOWN_CHAINS:
        if other != chain:
            assert refused(f"{chain.name} ({other.id})").nearest == (chain, other)


def test_a_name_with_the_id_of_another_chain_is_refused_as_a_whole() -> None:
    error = refused("Tron (56)")
    assert (error.asked, error.not_served) == ("Tron (56)", "Tron")
    assert refused("Nonsense (1)").asked == "Nonsense (1)"


def test_a_chain_whose_name_holds_a_version_answers_to_it() -> None:
    second = chain_from_listing("779", "Chain 2.0", "C2")
    assert resolve_chain("chain 2.0", (*KNOWN_CHAINS, second)) == second
    assert refused("Chain 2.0").nearest


@pytest.mark.parametrize(
    ("text", "chain_id"),
    [
        ("1.0", "1"),
        (" 56.0 ", "56"),
        ("５６", "56"),
        ("chain-56", "56"),
        ("bnb", "56"),
        ("BSC", "56"),
        ("BEP-20", "56"),
        ("chain id 56", "56"),
        ("network 56", "56"),
        ("chainId: 56", "56"),
        ("eip155:56", "56"),
        ("0x38", "56"),
        ("0X2105", "8453"),
        ("BNB Chain Mainnet", "56"),
        ("binance smart chain", "56"),
        ("matic", "137"),
        ("Polygon (PoS)", "137"),
        ("Polygon PoS network", "137"),
        ("eth mainnet", "1"),
        ("Ethereum Mainnet", "1"),
        ("ｅｔｈ", "1"),
        ("arb", "42161"),
        ("OP Mainnet", "10"),
        ("linea chain", "59144"),
        ("sol", "CT_501"),
        ("ct_501", "CT_501"),
        ("CT-501", "CT_501"),
        ("Solana Mainnet Beta", "CT_501"),
    ],
)
def test_what_people_write(text: str, chain_id: str) -> None:
    assert resolve_chain(text) == BY_ID[chain_id]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Tron", "Tron"),
        ("TRC-20", "Tron"),
        ("CT_195", "Tron"),
        ("tron network", "Tron"),
        ("43114", "Avalanche"),
        ("Avalanche C-Chain", "Avalanche"),
        ("opBNB", "opBNB"),
        ("bitcoin", "Bitcoin"),
        ("zkSync Era", "zkSync Era"),
        ("polygon zkevm", "Polygon zkEVM"),
        ("Arbitrum Nova", "Arbitrum Nova"),
        ("ethereum classic", "Ethereum Classic"),
        ("Sui", "Sui"),
        ("0x64", "Gnosis"),
        ("base sepolia", "a test network"),
        ("bsc testnet", "a test network"),
        ("97", "a test network"),
        ("solana devnet", "a test network"),
    ],
)
def test_known_but_not_served(text: str, name: str) -> None:
    error = refused(text)
    assert error.not_served == name
    assert name in str(error)
    assert len(error.nearest) == 3


@pytest.mark.parametrize(
    "text",
    ["", "  ", "chain", "network", "erc20", "ERC-20", "evm", "mainnet", "l2", "foo", "5", "0x", "e", "bas"],
)
def test_what_means_no_single_chain_is_refused(text: str) -> None:
    error = refused(text)
    assert error.not_served is None
    assert len(set(error.nearest)) == 3
    assert error.asked == text.strip()


@pytest.mark.parametrize("text", ["erc20", "EVM", "main net"])
def test_a_word_for_many_chains_offers_the_first_evm_chains(text: str) -> None:
    assert [chain.id for chain in refused(text).nearest] == ["1", "56", "137"]


@pytest.mark.parametrize(
    ("text", "nearest"),
    [("polygun", "137"), ("arbitrumm", "42161"), ("solanna chain", None), ("etherreum", "1")],
)
def test_the_nearest_chain_comes_first(text: str, nearest: str | None) -> None:
    if nearest is None:
        assert resolve_chain(text).id == "CT_501"
    else:
        assert refused(text).nearest[0].id == nearest


@pytest.mark.parametrize(
    "text",
    [
        "ab" * 32,
        "0x" + "12" * 32,
        " ".join(["abandon"] * 12),
        "bsc" + "!" * 300,
        "x" * 100_000,
    ],
    ids=lambda text: text[:8],
)
def test_a_long_text_is_not_repeated(text: str) -> None:
    error = refused(text)
    assert text[:6] not in error.asked
    assert text[:6] not in str(error)
    assert len(error.asked) <= 40


def test_what_was_asked_comes_back_cleaned() -> None:
    error = refused("<b>\u202efoo.com")
    assert error.asked == "‹b›foo[.]com"
    assert "\u202e" not in str(error)


@given(st.text(max_size=60))
def test_any_text_resolves_to_a_served_chain_or_is_refused(text: str) -> None:
    try:
        assert resolve_chain(text) in KNOWN_CHAINS
    except ChainUnresolved as error:
        assert len(error.asked) <= 40


def test_only_served_chains_resolve() -> None:
    served = (BY_ID["1"], BY_ID["8453"])
    error = refused("bsc", served)
    assert error.not_served == "BNB Chain"
    assert set(error.nearest) == set(served)
    assert refused("56", served).not_served == "BNB Chain"
    assert refused("bsc", ()).nearest == ()


def test_a_renamed_chain_answers_to_all_its_names() -> None:
    renamed = chain_from_listing("56", "BNB Smart Chain (new)", "BNB")
    assert renamed == replace(BY_ID["56"], name="BNB Smart Chain (new)", short_name="BNB")
    for text in ("bsc", "BNB Chain", "bnb smart chain new", "56"):
        assert resolve_chain(text, (renamed,)) == renamed


def test_a_chain_of_the_live_list_resolves_before_it_is_called_not_served() -> None:
    tron = chain_from_listing("CT_195", "Tron", "TRX")
    assert resolve_chain("tron", (*KNOWN_CHAINS, tron)) == tron
    assert resolve_chain("trx", (*KNOWN_CHAINS, tron)) == tron


GROWN = (
    *KNOWN_CHAINS,
    chain_from_listing("43114", "Avalanche C-Chain", "AVAX"),
    chain_from_listing("CT_195", "TRON", "TRX"),
    chain_from_listing("324", "zkSync Mainnet", "ZKS"),
    chain_from_listing("146", "Sonic Labs", "S"),
)


@pytest.mark.parametrize(
    ("text", "chain_id"),
    [
        ("avalanche", "43114"),
        ("AVAX", "43114"),
        ("c-chain", "43114"),
        ("Avalanche (43114)", "43114"),
        ("Avalanche (AVAX)", "43114"),
        ("trc20", "CT_195"),
        ("Tron (TRC20)", "CT_195"),
        ("tron network", "CT_195"),
        ("zksync era", "324"),
        ("zksync", "324"),
        ("sonic", "146"),
    ],
)
def test_a_chain_that_the_live_list_has_by_now_answers_to_all_its_names(text: str, chain_id: str) -> None:
    assert resolve_chain(text, GROWN).id == chain_id
    assert refused(text).not_served
    assert refused("fantom", GROWN).not_served == "Fantom"


@pytest.mark.parametrize(
    ("text", "chain_id"),
    [
        ("Ethereum (ERC20)", "1"),
        ("BNB Smart Chain (BEP20)", "56"),
        ("Polygon (POL)", "137"),
        ("Arbitrum (ARB)", "42161"),
        ("Matic (Polygon)", "137"),
        ("Optimism(OP)", "10"),
    ],
)
def test_two_names_of_one_chain_mean_it(text: str, chain_id: str) -> None:
    assert resolve_chain(text).id == chain_id


@pytest.mark.parametrize(
    ("text", "not_served", "nearest"),
    [
        ("Avalanche (43114)", "Avalanche", None),
        ("Tron (TRC20)", "Tron", None),
        ("Bitcoin (BTC)", "Bitcoin", None),
        ("Tron (BTC)", None, None),
        ("Nonsense (TRX)", None, None),
        ("BSC (ERC20)", None, None),
        ("foo (bar)", None, None),
        ("Base (Sepolia)", "a test network", None),
        ("Optimism (ETH)", None, ("10", "1")),
    ],
)
def test_two_names_that_do_not_agree_on_a_chain_are_refused(
    text: str, not_served: str | None, nearest: tuple[str, ...] | None
) -> None:
    error = refused(text)
    assert (error.asked, error.not_served) == (text, not_served)
    assert nearest is None or tuple(chain.id for chain in error.nearest) == nearest


@pytest.mark.parametrize(
    ("chain", "own"),
    [
        (BY_ID["1"], True),
        (replace(BY_ID["1"], name="Ethereum Mainnet"), False),
        (replace(BY_ID["1"], short_name="x"), False),
        (chain_from_listing("777", "Ethereum", "ETH"), False),
    ],
)
def test_a_name_that_is_not_the_tables_is_told_apart(chain: Chain, own: bool) -> None:
    assert is_own_name(chain) is own


def test_a_name_that_two_chains_bear_is_refused() -> None:
    second = chain_from_listing("777", "Ethereum", "ETH2")
    error = refused("ethereum", (*KNOWN_CHAINS, second))
    assert error.nearest == (BY_ID["1"], second)
    assert resolve_chain("777", (*KNOWN_CHAINS, second)) == second
    assert resolve_chain("1", (*KNOWN_CHAINS, second)) == BY_ID["1"]


def test_an_id_wins_over_a_name() -> None:
    named_56 = chain_from_listing("778", "56", "56")
    assert resolve_chain("chain 56", (named_56, *KNOWN_CHAINS)) == BY_ID["56"]
    assert resolve_chain("56", (named_56, *KNOWN_CHAINS)) == BY_ID["56"]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (("1", "", ""), BY_ID["1"]),
        (("CT_501", "Solana", "SOL"), BY_ID["CT_501"]),
        (("100", "Gnosis", "GNO"), Chain("100", "Gnosis", "GNO", "evm", None, None, False)),
        (("100", "Gnosis", ""), Chain("100", "Gnosis", "Gnosis", "evm", None, None, False)),
        (("CT_195", "", "TRX"), Chain("CT_195", "TRX", "TRX", "other", None, None, False)),
        (("CT_784", "", ""), Chain("CT_784", "CT_784", "CT_784", "other", None, None, False)),
        (("1,56", "x", "x"), Chain("1_56", "x", "x", "other", None, None, False)),
        (("7", "<b>visit a.com", "T|X"), Chain("7", "‹b›visit a[.]com", "T¦X", "evm", None, None, False)),
        (("１", "x", "x"), Chain("_", "x", "x", "other", None, None, False)),
    ],
)
def test_a_row_of_the_live_list(row: tuple[str, str, str], expected: Chain) -> None:
    assert chain_from_listing(*row) == expected


def test_a_blank_id_is_never_resolved() -> None:
    blank = chain_from_listing("", "", "")
    assert refused("", (blank,)).nearest == (blank,)


@pytest.mark.parametrize(("family", "count"), [("evm", 9), ("solana", 1), ("other", 0)])
def test_chains_of_a_family(family: chains.Family, count: int) -> None:
    found = chains_of_family(family)
    assert len(found) == count
    assert list(found) == [chain for chain in KNOWN_CHAINS if chain.family == family]
