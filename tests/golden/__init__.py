"""What the tools say on the sandbox's wallets, word for word, one file for each answer."""
