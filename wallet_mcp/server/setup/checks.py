"""What a check of the set-up finds: a line, a fix, and the smallest set of culprits that can be told apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

Status = Literal["ok", "failed", "skipped"]
Part = Literal["settings", "secrets", "clock", "dns", "connection", "signed probe", "rate headers", "client"]
Culprit = Literal[
    "setting",
    "credentials_missing",
    "both_algorithms",
    "file",
    "file_permissions",
    "key_id_form",
    "pem_as_secret",
    "private_key_as_secret",
    "not_a_private_key",
    "whitespace_inside_secret",
    "quotes_around_secret",
    "key_and_secret_swapped",
    "key_unknown_or_disabled",
    "headers_removed",
    "secret_of_another_key",
    "other_algorithm",
    "path_rewritten",
    "query_rewritten",
    "base_url_without_build",
    "base_url_wrong",
    "clock_off",
    "slow_way",
    "request_repeated",
    "missing_permission",
    "region",
    "vpn_or_proxy",
    "unusual_ip",
    "compliance",
    "rate_used_up",
    "api_down",
    "api_changed",
    "name_unknown",
    "name_blocked",
    "nothing_listens",
    "no_network",
    "tls_untrusted",
    "proxy_variable",
    "proxy_page",
    "login_page",
    "client_file",
    "client_command",
    "client_output",
    "client_answer",
    "client_secret",
]

FIXES: Final[Mapping[Culprit, str]] = MappingProxyType(
    {
        "setting": "Correct the setting that is named; the README lists what each takes.",
        "credentials_missing": "Set WALLET_MCP_API_KEY, and WALLET_MCP_SECRET_KEY or WALLET_MCP_PRIVATE_KEY.",
        "both_algorithms": "Keep the one that belongs to the algorithm with which the key was created.",
        "file": "Let the ..._FILE setting name a readable text file that holds the secret alone.",
        "file_permissions": "Take the rights of others away: chmod 600 on that file.",
        "key_id_form": "Copy the key id again from the Developer Portal, without anything around it.",
        "pem_as_secret": "Move the PEM to WALLET_MCP_PRIVATE_KEY and leave WALLET_MCP_SECRET_KEY out.",
        "private_key_as_secret": (
            "Write it as PEM, with its BEGIN and END lines, into WALLET_MCP_PRIVATE_KEY and leave "
            "WALLET_MCP_SECRET_KEY out."
        ),
        "not_a_private_key": "Give the PKCS#8 PEM of the Ed25519 private key, and its passphrase if it has one.",
        "whitespace_inside_secret": "Paste the secret again in one piece: no white space, no invisible characters.",
        "quotes_around_secret": "Remove the quote marks: they have become a part of the secret.",
        "key_and_secret_swapped": "Exchange the values of WALLET_MCP_API_KEY and WALLET_MCP_SECRET_KEY.",
        "key_unknown_or_disabled": (
            "Compare WALLET_MCP_API_KEY with the Developer Portal (web3.binance.com/en/dev-portal): it was mistyped, "
            "deleted or disabled there."
        ),
        "headers_removed": "Have the X-OC-... headers passed on by whatever stands between here and the API.",
        "secret_of_another_key": "Copy the secret again from the place where this very key was created.",
        "other_algorithm": (
            "Use what the key was created for: WALLET_MCP_SECRET_KEY for HMAC-SHA256, WALLET_MCP_PRIVATE_KEY for "
            "Ed25519."
        ),
        "path_rewritten": (
            "Have the path passed on unchanged, /build included: the signature covers the path that the API receives."
        ),
        "query_rewritten": "Have the query passed on as it is sent, without decoding: the signature covers it.",
        "base_url_without_build": "Let WALLET_MCP_BASE_URL end in /build.",
        "base_url_wrong": "Correct WALLET_MCP_BASE_URL; its default is https://web3.binance.com/build.",
        "clock_off": "Synchronise this machine's clock with NTP.",
        "slow_way": "Raise WALLET_MCP_RECV_WINDOW_MS (at most 60000) and look for what delays requests on their way.",
        "request_repeated": "Look for a proxy that sends requests twice.",
        "missing_permission": (
            "Give the key the Wallet permission in the Developer Portal (web3.binance.com/en/dev-portal); history "
            "needs it too."
        ),
        "region": "None here: the API is not offered where this machine is connected from.",
        "vpn_or_proxy": "Connect directly: switch the VPN or proxy off.",
        "unusual_ip": "Contact the API's support about the network address of this machine.",
        "compliance": "Contact the API's support with the code.",
        "rate_used_up": "Wait a minute and run this again; another program may be using the same key.",
        "api_down": "Run this again later; if it stays, contact the API's support with time and trace id.",
        "api_changed": "Update wallet-mcp; it does not know this answer.",
        "name_unknown": "Check the network, its DNS, and the host in WALLET_MCP_BASE_URL.",
        "name_blocked": "Look for a DNS filter or an entry in the hosts file that answers for this name.",
        "nothing_listens": "Check host and port of WALLET_MCP_BASE_URL and the firewall; start the sandbox if meant.",
        "no_network": "Check the network connection and the firewall.",
        "tls_untrusted": (
            "Check the date, the system's certificate store, and what opens TLS connections (antivirus, proxy)."
        ),
        "proxy_variable": "Correct or unset the proxy variables that are named.",
        "proxy_page": "Let the proxy pass requests to the API's host, with credentials if it asks for some.",
        "login_page": "Sign in to the network with a web browser, then run this again.",
        "client_file": "Correct the file's syntax; the client cannot read it either.",
        "client_command": "Give the command with its absolute path; `wallet-mcp install` writes a working entry.",
        "client_output": "Start wallet-mcp directly, without a wrapper that writes to stdout.",
        "client_answer": "Run the command of the entry in a terminal and read what it says.",
        "client_secret": "Put the secret into a file of its own (mode 600) and name it by the ..._FILE setting.",
    }
)
"""What to do about each culprit."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line. `culprits` are in the order in which they are worth looking at; none but for a failure."""

    part: Part
    status: Status
    said: str
    culprits: tuple[Culprit, ...] = ()

    @property
    def fix(self) -> str:
        """What to do, empty unless the check failed."""
        if not self.culprits:
            return ""
        if len(self.culprits) == 1:
            return FIXES[self.culprits[0]]
        steps = " ".join(f"({number}) {FIXES[culprit]}" for number, culprit in enumerate(self.culprits, 1))
        return f"These cannot be told apart from here; check in this order: {steps}"

    def as_json(self) -> dict[str, object]:
        """The check as a JSON object; nothing in it is null."""
        facts: dict[str, object] = {"check": self.part, "status": self.status, "said": self.said}
        if self.culprits:
            facts |= {"culprits": list(self.culprits), "fix": self.fix}
        return facts

    def lines(self) -> list[str]:
        """The check as it is printed: a line, and a second one with the fix."""
        lines = [f"{self.status:<8}{self.part:<14}{self.said}"]
        return [*lines, f"{'':<8}{'fix:':<14}{self.fix}"] if self.culprits else lines


def ok(part: Part, said: str) -> Check:
    """A check that found nothing wrong."""
    return Check(part, "ok", said)


def skipped(part: Part, because: str) -> Check:
    """A check that was not made."""
    return Check(part, "skipped", because)


def failed(part: Part, said: str, *culprits: Culprit) -> Check:
    """A check that found something wrong."""
    return Check(part, "failed", said, culprits)
