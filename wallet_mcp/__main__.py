"""`python -m wallet_mcp`: the same as the command `wallet-mcp`."""

from __future__ import annotations

import sys

from wallet_mcp.cli.main import main

sys.exit(main())
