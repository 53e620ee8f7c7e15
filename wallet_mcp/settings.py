"""The environment as settings. Nothing here raises: what is wrong is kept as sentences that name setting and rule.

A sentence never holds a value: a secret pasted into the wrong setting must not come back in an error. So pydantic's
own messages, which show their input, are not used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

from wallet_mcp.wallet.labels import NO_LABELS, BadLabels, Labels, parse_labels
from wallet_mcp.wallet_api.endpoints import DEFAULT_BASE_URL, Lifetimes
from wallet_mcp.wallet_api.signing import Algorithm, BadKey, Ed25519Signer, HmacSigner, Signer, is_encodable
from wallet_mcp.wallet_api.transport import is_loopback

T = TypeVar("T")
N = TypeVar("N", int, float)

AmountUnit = Literal["auto", "base", "scaled"]
LogLevel = Literal["debug", "info", "warning", "error"]

_SETTING = re.compile(r"WALLET_MCP_[A-Z0-9_]{1,40}")
_PLACEHOLDER = re.compile(r"\$\{[^}]*\}")
_SECRETS = ("API_KEY", "SECRET_KEY", "PRIVATE_KEY", "PRIVATE_KEY_PASSPHRASE")
_MAX_FILE = 16_384
_AUTHORITY = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class Credentials:
    """The key id and what signs with it."""

    api_key: SecretStr
    signer: Signer

    @property
    def algorithm(self) -> Algorithm:
        """The algorithm that this key material signs with."""
        return self.signer.algorithm


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, checked.

    `missing` and `problems` are sentences for whoever runs the server; while there are any, nothing is sent.
    `notes` are observations that stop nothing.
    """

    credentials: Credentials | None = None
    base_url: str = DEFAULT_BASE_URL
    recv_window_ms: int = 5000
    deadline_s: float = 25.0
    max_stale_s: float = 600.0
    tx_amount_unit: AmountUnit = "auto"
    wallets: Labels = NO_LABELS
    lifetimes: Lifetimes = field(default_factory=Lifetimes)
    cache_mb: int = 32
    sandbox: bool = False
    log_level: LogLevel = "warning"
    api_key_present: bool = False
    missing: tuple[str, ...] = ()
    bad_credentials: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether calls can be made."""
        return not (self.missing or self.bad_credentials or self.problems)


def load_settings(environment: Mapping[str, str], *, sandbox: bool = False) -> Settings:
    """The settings of an environment; `sandbox` is the command line's `--sandbox`.

    Empty, blank and an unreplaced `${...}` (as MCP bundles pass an optional field left blank) count as unset.
    """
    reader = _Reader(environment)
    use_sandbox = reader.flag("SANDBOX", default=False) or sandbox
    api_key, credentials = _credentials(reader)
    defaults = Lifetimes()
    lifetimes = Lifetimes(
        **{
            kind.name: reader.number(f"CACHE_{kind.name.upper()}", float(getattr(defaults, kind.name)), 0, 604_800)
            for kind in fields(Lifetimes)
        }
    )
    return Settings(
        credentials=credentials,
        base_url=_base_url(reader),
        recv_window_ms=reader.number("RECV_WINDOW_MS", 5000, 1, 60_000),
        deadline_s=reader.number("DEADLINE_S", 25.0, 1.0, 600.0),
        max_stale_s=reader.number("MAX_STALE_S", 600.0, 0.0, 86_400.0),
        tx_amount_unit=reader.choice("TX_AMOUNT_UNIT", "auto", ("auto", "base", "scaled")),
        wallets=reader.labels(),
        lifetimes=lifetimes,
        cache_mb=reader.number("CACHE_MB", 32, 1, 4096),
        sandbox=use_sandbox,
        log_level=reader.choice("LOG_LEVEL", "warning", ("debug", "info", "warning", "error")),
        api_key_present=api_key is not None,
        missing=tuple(reader.missing),
        bad_credentials=tuple(reader.bad_credentials),
        problems=tuple(reader.problems),
        notes=(*reader.notes, *reader.unknown_names()),
    )


def given(environment: Mapping[str, str], name: str) -> str:
    """The value of a variable without surrounding white space; empty where it counts as unset."""
    value = environment.get(name, "").strip()
    return "" if _PLACEHOLDER.fullmatch(value) else value


class _Reader:
    """Reads WALLET_MCP_ settings and collects what is wrong with them."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._asked: set[str] = set()
        self.missing: list[str] = []
        self.bad_credentials: list[str] = []
        self.problems: list[str] = []
        self.notes: list[str] = []

    def text(self, name: str) -> str | None:
        """The value without surrounding white space; None when unset."""
        self._asked.add(name)
        return given(self._environment, f"WALLET_MCP_{name}") or None

    def unknown_names(self) -> list[str]:
        """A sentence for each variable that looks like a setting and is none: most likely a slip of the pen."""
        names = (name for name in self._environment if _SETTING.fullmatch(name))
        strange = sorted(name for name in names if name.removeprefix("WALLET_MCP_") not in self._asked)
        return [f"{name} is no setting of this server and was ignored." for name in strange[:5]]

    def labels(self) -> Labels:
        """The wallets named by WALLET_MCP_WALLETS."""
        try:
            return parse_labels(self.text("WALLETS") or "")
        except BadLabels as bad:
            self.problems.append(f"WALLET_MCP_WALLETS cannot be used: {bad}.".replace("..", "."))
            return NO_LABELS

    def given(self, name: str) -> bool:
        """Whether a secret is set in either form, whatever it is worth."""
        return self.text(name) is not None or self.text(f"{name}_FILE") is not None

    def secret(self, name: str) -> SecretStr | None:
        """A secret given as a value or, with `_FILE`, as the path of a file that holds it."""
        value, path = self.text(name), self.text(f"{name}_FILE")
        if value is not None and path is not None:
            self.bad_credentials.append(
                f"WALLET_MCP_{name} and WALLET_MCP_{name}_FILE are both set: keep one of the two."
            )
            return None
        if path is not None:
            return self._from_file(name, path)
        if value is None:
            return None
        if not is_encodable(value):
            self.bad_credentials.append(f"WALLET_MCP_{name} is not UTF-8 text.")
            return None
        # A PEM ends with a line break by its nature.
        if self._environment[f"WALLET_MCP_{name}"] != value and name != "PRIVATE_KEY":
            self.notes.append(f"WALLET_MCP_{name} had white space around it, which was left out.")
        return SecretStr(value)

    def _from_file(self, name: str, path: str) -> SecretStr | None:
        setting = f"WALLET_MCP_{name}_FILE"
        try:
            with Path(path).expanduser().open("rb") as file:
                content = file.read(_MAX_FILE + 1)
        except (OSError, RuntimeError, ValueError) as error:
            # Only the kind of failure: the path itself could be a secret pasted into the wrong setting.
            reason = "cannot be read"
            if isinstance(error, FileNotFoundError):
                reason = "does not exist"
            elif isinstance(error, PermissionError):
                reason = "may not be read by this user"
            self.bad_credentials.append(f"{setting} names a file that {reason}.")
            return None
        if len(content) > _MAX_FILE:
            self.bad_credentials.append(f"{setting} names a file of more than 16 kB: that is no key.")
            return None
        try:
            # Editors on Windows put a byte order mark first; it would silently become a part of the secret.
            text = content.decode("utf-8-sig").strip()
        except UnicodeDecodeError:
            self.bad_credentials.append(f"{setting} names a file that is not UTF-8 text.")
            return None
        if not text:
            self.bad_credentials.append(f"{setting} names an empty file.")
            return None
        return SecretStr(text)

    def number(self, name: str, default: N, low: N, high: N) -> N:
        """A number within bounds; the default with a problem noted when it is not one."""
        text = self.text(name)
        if text is None:
            return default
        kind = "a whole number" if isinstance(default, int) else "a number"
        try:
            # Python's own reading also takes 5_000 and digits of any script.
            if len(text) > 20 or not text.isascii() or "_" in text:
                raise ValueError
            value = type(default)(text)
        except ValueError:
            value = None
        if value is None or not low <= value <= high:
            self.problems.append(f"WALLET_MCP_{name} must be {kind} from {low:g} to {high:g}.")
            return default
        return value

    def choice(self, name: str, default: T, allowed: tuple[T, ...]) -> T:
        """One of the allowed words."""
        text = self.text(name)
        if text is None:
            return default
        for word in allowed:
            if text.lower() == word:
                return word
        self.problems.append(f"WALLET_MCP_{name} must be one of {', '.join(str(word) for word in allowed)}.")
        return default

    def flag(self, name: str, default: bool) -> bool:
        """A switch: 1, true, yes, on or 0, false, no, off."""
        text = self.text(name)
        if text is None:
            return default
        if text.lower() in ("1", "true", "yes", "on"):
            return True
        if text.lower() in ("0", "false", "no", "off"):
            return False
        self.problems.append(f"WALLET_MCP_{name} must be 1 or 0.")
        return default


def _credentials(reader: _Reader) -> tuple[SecretStr | None, Credentials | None]:
    api_key, secret, pem, passphrase = (reader.secret(name) for name in _SECRETS)
    if api_key is not None and not _is_key_id(api_key.get_secret_value()):
        reader.bad_credentials.append(
            "WALLET_MCP_API_KEY must be the key id alone: printable ASCII, no white space, at most 256 characters."
        )
    if not reader.given("API_KEY"):
        reader.missing.append("WALLET_MCP_API_KEY is not set.")
    if not reader.given("SECRET_KEY") and not reader.given("PRIVATE_KEY"):
        reader.missing.append("Neither WALLET_MCP_SECRET_KEY nor WALLET_MCP_PRIVATE_KEY is set.")
    if reader.given("SECRET_KEY") and reader.given("PRIVATE_KEY"):
        reader.bad_credentials.append(
            "WALLET_MCP_SECRET_KEY (HMAC-SHA256) and WALLET_MCP_PRIVATE_KEY (Ed25519) are both set: keep the one of "
            "the algorithm that the key was created with."
        )
        return api_key, None
    signer: Signer | None = None
    if secret is not None:
        signer = _checked(lambda: _hmac(secret), "WALLET_MCP_SECRET_KEY", reader)
    elif pem is not None and (passphrase is not None or not reader.given("PRIVATE_KEY_PASSPHRASE")):
        signer = _checked(lambda: Ed25519Signer(pem, passphrase), "WALLET_MCP_PRIVATE_KEY", reader)
    if api_key is None or signer is None or reader.bad_credentials:
        return api_key, None
    return api_key, Credentials(api_key, signer)


def _checked(make: Callable[[], Signer], setting: str, reader: _Reader) -> Signer | None:
    try:
        return make()
    except BadKey as error:
        reader.bad_credentials.append(f"{setting} does not work: {error}.")
        return None


def _hmac(secret: SecretStr) -> Signer:
    text = secret.get_secret_value()
    if "-----BEGIN" in text:
        raise BadKey("it holds a PEM; put that into WALLET_MCP_PRIVATE_KEY and leave this one out")
    if " " in text or not text.isprintable():
        raise BadKey("it has white space, control or invisible characters inside; paste it again in one piece")
    return HmacSigner(secret)


def _is_key_id(text: str) -> bool:
    return len(text) <= 256 and all(33 <= ord(character) <= 126 for character in text)


def _base_url(reader: _Reader) -> str:
    text = reader.text("BASE_URL")
    if text is None:
        return DEFAULT_BASE_URL
    problem = _base_url_problem(text)
    if problem:
        reader.problems.append(f"WALLET_MCP_BASE_URL {problem}")
        return DEFAULT_BASE_URL
    return text.rstrip("/")


def _base_url_problem(text: str) -> str:
    if any(ord(character) <= 32 for character in text):
        return "has white space inside."
    try:
        parts = urlsplit(text)
        port = parts.port
        # The client's own reading of the URL must succeed too, now and not at the first call.
        _ = httpx.URL(text).host
    except (ValueError, httpx.InvalidURL):
        return "is no URL; its default is https://web3.binance.com/build."
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or not text.isascii():
        return "must be a URL such as https://web3.binance.com/build."
    if parts.username is not None or parts.password is not None:
        return "must not hold a user name or password."
    if "?" in text or "#" in text:
        return "must end with its path: no query and no fragment."
    if not _AUTHORITY.fullmatch(parts.netloc):
        return "must be a URL such as https://web3.binance.com/build."
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        return "must start with https://; plain http is allowed only towards this machine (127.0.0.1, localhost)."
    return ""
