"""A stand-in for the upstream Wallet API: an ASGI app that checks what the real gateway checks."""
