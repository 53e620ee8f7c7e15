"""The chains that the sandbox serves: the live list of contract §3.1, in its order."""

from __future__ import annotations

from typing import Final

from wallet_mcp.sandbox.world_model import SOLANA, Chain

_LOGOS: Final = "https://onchainos.bnbstatic.com/image/admin_mgs_image_upload/20250228"
# The file name of Ethereum's logo is the official one; the others are stand-ins on the real host.
_ETHEREUM_LOGO: Final = f"{_LOGOS}/b549e557-76ca-4873-88ef-3a107cf2c9fe.png"

_ETH_PRICE: Final = "3127.48512093746128459100000000"

CHAINS: Final[tuple[Chain, ...]] = (
    Chain("1", "Ethereum", "ETH", _ETHEREUM_LOGO, "ETH", 18, _ETH_PRICE),
    Chain("56", "BNB Chain", "BSC", f"{_LOGOS}/bnb-chain.png", "BNB", 18, "912.30714158302774619023000000"),
    Chain("137", "Polygon", "MATIC", f"{_LOGOS}/polygon.png", "POL", 18, "0.18245019376520419837452"),
    Chain("8453", "Base", "BASE", f"{_LOGOS}/base.png", "ETH", 18, _ETH_PRICE),
    Chain("42161", "Arbitrum One", "ARB", f"{_LOGOS}/arbitrum.png", "ETH", 18, _ETH_PRICE),
    Chain("10", "Optimism", "OP", f"{_LOGOS}/optimism.png", "ETH", 18, _ETH_PRICE),
    Chain("59144", "Linea", "LINEA", f"{_LOGOS}/linea.png", "ETH", 18, _ETH_PRICE),
    Chain("143", "Monad", "MONAD", f"{_LOGOS}/monad.png", "MON", 18, "0.0312405718849201736450"),
    Chain("9745", "Plasma", "PLASMA", f"{_LOGOS}/plasma.png", "XPL", 18, "0.2018"),
    Chain(SOLANA, "Solana", "SOL", f"{_LOGOS}/solana.png", "SOL", 9, "141.06873920184756231907840000"),
)

CHAIN_BY_ID: Final = {chain.id: chain for chain in CHAINS}
