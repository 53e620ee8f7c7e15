"""wallet-mcp: an MCP server that answers wallet questions from the Binance Web3 Wallet API."""

__version__ = "0.1.0"
