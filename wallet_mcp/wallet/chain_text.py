"""Text that anybody could have written: token symbols, names, memos and every message from upstream.

A free airdrop puts its symbol into every holder's balance list, so each such string passes through
`clean` before a model or a person sees it. What comes out

- holds only visible characters: no control, format, private-use, surrogate, unassigned or tag characters,
  no variation selectors and no fillers that draw nothing; white space is folded to single spaces;
- is in Unicode form NFKC, so full-width and other styled letters read as the plain letters they imitate;
- holds no markup: `<`, `>`, backticks, double quotes, backslashes, braces, brackets and `@` are replaced;
- fits a cell as it is: `,` becomes `‚` (U+201A) and `|` becomes `¦`, and with no quotes or line breaks left a
  CSV field or a table cell needs no quoting; a leading `=` (or a bare `+`, `-`) that a spreadsheet would
  take for a formula is dropped;
- links nowhere: `hxxps://claim[.]example`, `t[.]me/x`, `ethereum[:]0x…`. Ordinary dotted symbols (`USDC.e`,
  `BRK.B`, `1.5x`) stay, because a last label of one letter or with a digit is no domain; any other one may be;
- is at most `limit` characters, a cut being marked with `…`.

Cleaning twice gives what cleaning once gives. What was found on the way is in the flags.
"""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Final

from pydantic import BeforeValidator

SYMBOL_LIMIT: Final = 24
NAME_LIMIT: Final = 64
MESSAGE_LIMIT: Final = 120

URL: Final = "url"
INVISIBLE_CHARS: Final = "invisible_chars"
INSTRUCTION_LIKE: Final = "instruction_like"
MIXED_SCRIPT: Final = "mixed_script"
LOOKALIKE: Final = "lookalike"
FLAGS: Final = (URL, INVISIBLE_CHARS, INSTRUCTION_LIKE, MIXED_SCRIPT, LOOKALIKE)
"""Every flag, in the order in which `Cleaned.flags` lists them. `lookalike` comes from `known_tokens`."""

MARK: Final = "…"

_HARMLESS = re.compile(r"[A-Za-z0-9]+|[0-9]+\.[0-9]+")
_ROUNDS = 6
# Python refuses to write out an int of more than 4300 digits.
_LONGEST_INT_BITS = 10_000

_SPACES = frozenset("\t\n\v\f\r\x1c\x1d\x1e\x1f\x85")
# Letters, marks and symbols that draw nothing although their Unicode category says otherwise.
_FILLERS = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5\u180b\u180c\u180d\u180f\ufffc\ufffd")
_UNSEEN_CATEGORIES = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Me"})
_MARKS_IN_A_ROW = 2
# Their compatibility forms hold Latin letters, but nobody uses them to imitate one.
_HONEST_SIGNS = frozenset("™℠ªº№")

_MARKUP = str.maketrans(
    {
        "<": "‹",
        ">": "›",
        "`": "'",
        '"': "'",
        "|": "¦",
        ",": "‚",
        "\\": "/",
        "{": "(",
        "}": ")",
        "@": "(at)",
    }
)
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});|&(?:lt|gt|amp|quot)")
_BRACKETS = re.compile(r"\[([.:])\]|[\[\]]")
_RUNS = re.compile(r"([*_~#=-])\1+")
_FORMULA = re.compile(r"(?:[=\s]|[+-](?![0-9]))+")

# Not only at the start of a word: chat clients link `0https://...` as well.
_HTTP = re.compile(r"http(s?)(?=:)", re.IGNORECASE)
_OTHER_SCHEME = re.compile(r"(?<!hxxp)(?<!hxxps):(?=//)")
# A payment link opens a wallet with the amount filled in: only before an address, for `ethereum:USDT` is how a
# caller names a token.
_OPAQUE_SCHEME = re.compile(
    r"\b(javascript|vbscript|data|mailto|tel|sms|tg|magnet|file|intent):(?=\S)"
    r"|\b(ethereum|bnb|polygon|base|tron|bitcoin|litecoin|dogecoin|solana|wc):"
    r"(?=pay-|0x[0-9a-f]|[13]\w{24}|bc1\w|ltc1\w|T\w{32}|[1-9A-HJ-NP-Za-km-z]{32}|[0-9a-f]{8})",
    re.IGNORECASE,
)
# Runs of labels are matched as a whole and judged in code: a pattern that finds the end of a domain by itself
# takes quadratic time on `a.a.a.a...`.
_DOTTED = re.compile(r"[\w-]+(?:[.。][\w-]+)+")
# A label may also end in a sign that is no letter: an emoji, a currency, a mark that strikes a letter through.
_AFTER_SIGN = re.compile(r"(?<=[^\x00-\x7f\s\w。…‹›«»‘’‚“”„¦])[.。](?=xn--|[^\W\d_]{2,}(?![^\W_]))", re.IGNORECASE)
_WWW = re.compile(r"\bwww[.。](?=\w)", re.IGNORECASE)
_QUAD = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_AFTER_SCHEME = re.compile(r"(?<=//)[^\s/?#]+")
_BARE_DOT = re.compile(r"(?<!\[)[.。](?!\])")
_LINK_LEFT = re.compile(
    r"\[[.:]\]|hxxps?:|\((?:dot|\.)\)|\w \. ?(?:com|org|net|io|xyz|app|me)\b"
    r"|\bdot (?:com|org|net|io|xyz)\b",
    re.IGNORECASE,
)

_INSTRUCTION = re.compile(
    r"\b(?:ignore|disregard|forget|override|bypass)\b.{0,30}?\b(?:previous|prior|above|earlier|all|any|"
    r"instructions?|rules?|prompts?|warnings?|context|everything)\b"
    r"|\b(?:system|developer|admin|hidden|initial|new|your) (?:prompts?|messages?|instructions?)\b"
    r"|(?:^|[\s(‹/¦])(?:system|assistant|user|human|developer|tool|instructions?) ?[:›¦]"
    r"|‹ ?/?\s?(?:system|assistant|user|tool|function|instructions?|important|untrusted)\b"
    r"|\b(?:you are (?:now|an? )|as an ai\b|act as\b|pretend\b|from now on\b)"
    r"|\byou (?:must|should|need to|have to)\b"
    r"|\b(?:tool|function) (?:calls?|results?)\b|\b(?:call|use|invoke|run|execute) (?:the|this|a|your) \w+"
    r"|\b(?:do not|don't|never) (?:tell|mention|warn|inform|show|reveal)\b"
    r"|\b(?:tell|ask|instruct|convince|urge) the (?:user|owner|human)\b"
    r"|\b(?:send|transfer|approve|swap|bridge|deposit|move|withdraw) "
    r"(?:all|your|the|my|everything|funds|tokens|to)\b"
    r"|\b(?:enter|share|paste|reveal|give|provide|confirm) (?:your|the) "
    r"(?:seed|private|secret|recovery|wallet|key)"
    r"|\b(?:seed|recovery) phrase\b|\bim (?:start|end)\b|\binst\b"
    r"|\b(?:visit|claim|redeem|collect|click|go to|connect|verify|activate|unlock|scan)\b.{0,24}?"
    r"\b(?:your?|now|here|at|on|to|rewards?|airdrops?|bonus|prize|gift|voucher|free|wallet|tokens?|https?|hxxps?|"
    r"www|com|\w+\[\.\]\w+)\b"
    r"|\b(?:rewards?|airdrops?|bonus|giveaway|voucher)\b.{0,16}?\b(?:at|on|via|claim|visit)\b"
    # How the lines of our own answers begin.
    r"|^(?:note|source|next|complete) ?:|\bcomplete: ?(?:yes|no)\b|\bnext(?: step)?: ?(?:wallet_|call\b)"
    r"|\bsource: ?(?:live|sandbox|custom)\b|\bretry: ?(?:after|no|yes)\b|\berror (?:[0-9]{3,6}|[a-z]+_[a-z_]+) ?:"
    r"|忽略.{0,6}(?:指令|说明|提示|规则)|系统提示"
)
_SQUASHED_INSTRUCTION = re.compile(
    r"(?:ignore|disregard|forget)(?:all|any|the|my|your)*(?:previous|prior|above|instructions|rules)"
    r"|systemprompt|youmustnow|imstart|toolcall"
)
_SEPARATORS = re.compile(r"[\s_*~#=.;!?-]+")
_WORD = re.compile(r"[^\W\d_]+")
_CONFUSABLE_SCRIPTS = frozenset(
    (
        "LATIN",
        "CYRILLIC",
        "GREEK",
        "ARMENIAN",
        "CHEROKEE",
        "COPTIC",
        "GEORGIAN",
        "LISU",
        "DESERET",
        "OSAGE",
        "GOTHIC",
    )
)


@dataclass(frozen=True, slots=True)
class Cleaned:
    """Text that is safe to show, and what was found while making it so: some of `FLAGS`, in that order.

    Flags describe the text that came in; cleaning the cleaned text finds less, so keep the first ones.
    """

    text: str
    flags: tuple[str, ...] = ()


def clean(text: object, limit: int) -> Cleaned:
    """The one form in which a string from a chain or from upstream may be shown, with its flags.

    `limit` is the length in characters, at least 1, the mark included. Numbers are written out, None and
    anything that is neither text nor a number give the empty text. Never raises for any input. Only the first
    `8 * limit + 256` characters are looked at: a longer text costs no more, and ends in the mark.
    """
    if not isinstance(text, str):
        text = _written(text)
    if len(text) <= limit and _HARMLESS.fullmatch(text):
        return Cleaned(text)
    budget = 8 * limit + 256
    found: set[str] = set()
    current = text[:budget]
    cut_early = len(text) > budget
    for _ in range(_ROUNDS):
        before = current
        current = _cut(_disarm(current, found), limit, marked=cut_early)
        if current == before:
            break
    else:
        # No text is known to get here: what a sixth round still changes is reduced to what no rule touches.
        letters = "".join(c for c in current if c.isascii() and c.isalnum())
        current = letters[:limit]
    return Cleaned(current, tuple(flag for flag in FLAGS if flag in found))


def _written(value: object) -> str:
    if isinstance(value, int) and value.bit_length() > _LONGEST_INT_BITS:
        return MARK
    return str(value) if isinstance(value, int | float | Decimal) else ""


def _disarm(text: str, found: set[str]) -> str:
    """One round of every rule but the length; adds to `found`. Later rounds see what decoding uncovered."""
    text = _visible(_decoded(_visible(text, found)), found)
    plain = MARK.join(unicodedata.normalize("NFKC", part) for part in text.split(MARK))
    if plain != text:
        if any(_imitates_latin(char) for char in text):
            found.add(MIXED_SCRIPT)
        plain = _visible(plain, found)
    if not plain.isascii() and _mixes_scripts(plain):
        found.add(MIXED_SCRIPT)
    text = _BRACKETS.sub(_round_bracket, plain).translate(_MARKUP)
    linked = _unlinked(text)
    if linked != text or _LINK_LEFT.search(linked):
        found.add(URL)
    text = _RUNS.sub(r"\1", " ".join(linked.split()))
    if _instructs(text):
        found.add(INSTRUCTION_LIKE)
    formula = _FORMULA.match(text)
    return text[formula.end() :] if formula else text


def _visible(text: str, found: set[str]) -> str:
    """Drops what draws nothing and turns every kind of white space into a space; flags what was hidden.

    Of a pile of combining marks the first two stay: enough for any script, too few to write over other lines.
    """
    if text.isascii() and text.isprintable():
        return text
    kept: list[str] = []
    marks = 0
    for char in text:
        if " " <= char <= "~":
            kept.append(char)
            marks = 0
            continue
        category = unicodedata.category(char)
        if char in _SPACES or category in ("Zs", "Zl", "Zp"):
            kept.append(" ")
            marks = 0
        elif "\ufe00" <= char <= "\ufe0f":
            # U+FE0E and U+FE0F choose between the text and the emoji form, which is no secret.
            if char < "\ufe0e":
                found.add(INVISIBLE_CHARS)
        elif category in _UNSEEN_CATEGORIES or char in _FILLERS or "\U000e0100" <= char <= "\U000e01ef":
            if category != "Me":
                found.add(INVISIBLE_CHARS)
        elif category == "Mn":
            marks += 1
            if marks <= _MARKS_IN_A_ROW:
                kept.append(char)
        else:
            kept.append(char)
            marks = 0
    return "".join(kept)


def _decoded(text: str) -> str:
    """HTML entities decoded down to the last layer, so that `&amp;lt;` hides nothing."""
    while "&" in text:
        # A named or numbered entity is always longer than what it stands for, so this ends.
        decoded = _ENTITY.sub(lambda match: html.unescape(match[0])[: len(match[0]) - 1], text)
        if decoded == text:
            break
        text = decoded
    return text


def _round_bracket(match: re.Match[str]) -> str:
    if match[1]:
        return match[0]
    return "(" if match[0] == "[" else ")"


def _unlinked(text: str) -> str:
    """The text without anything that a client would turn into a link."""
    if ":" in text:
        text = _AFTER_SCHEME.sub(lambda match: _defanged(match[0]), text)
        text = _OTHER_SCHEME.sub("[:]", _HTTP.sub(lambda match: "hxxp" + match[1].lower(), text))
        text = _OPAQUE_SCHEME.sub(lambda match: f"{match[0][:-1]}[:]", text)
    if "." in text or "。" in text:
        text = _WWW.sub(lambda match: _defanged(match[0]), text)
        text = _DOTTED.sub(lambda match: _defanged(match[0]) if _is_domain(match[0]) else match[0], text)
        text = _AFTER_SIGN.sub("[.]", text)
    return text


def _defanged(name: str) -> str:
    return _BARE_DOT.sub("[.]", name)


def _is_domain(dotted: str) -> bool:
    """Whether labels joined by dots would be taken for a domain or an IPv4 address.

    They are where a label after the first begins with two letters or more and is all letters up to a hyphen or an
    underscore, or is punycode. There are over a thousand top-level domains, and more each year: a list of them
    would always be behind, and a dot in brackets costs the reader of an honest text little.
    """
    if _QUAD.fullmatch(dotted):
        return True
    for label in re.split("[.。]", dotted)[1:]:
        head = re.split("[_-]", label, maxsplit=1)[0]
        if (len(head) > 1 and head.isalpha()) or label.casefold().startswith("xn--"):
            return True
    return False


def _imitates_latin(char: str) -> bool:
    """Whether the character is a styled form (full-width, mathematical, circled) of Latin letters."""
    if char.isascii() or char in _HONEST_SIGNS:
        return False
    plain = unicodedata.normalize("NFKC", char)
    return plain.isascii() and plain.isalpha()


def _mixes_scripts(text: str) -> bool:
    """Whether one word holds letters of two scripts that share shapes. Han beside Latin is ordinary."""
    for word in _WORD.findall(text):
        if word.isascii():
            continue
        scripts = {unicodedata.name(char, "?").split()[0] for char in word}
        if len(scripts & _CONFUSABLE_SCRIPTS) > 1:
            return True
    return False


def _instructs(text: str) -> bool:
    """Whether the text talks to its reader: a hint for the model, not a gate."""
    lowered = text.casefold()
    spaced = _SEPARATORS.sub(" ", lowered)
    if _INSTRUCTION.search(lowered) or _INSTRUCTION.search(spaced):
        return True
    return bool(_SQUASHED_INSTRUCTION.search("".join(char for char in spaced if char.isalpha())))


def _cut(text: str, limit: int, *, marked: bool) -> str:
    text = text.strip()
    if len(text) <= limit and (not marked or text.endswith(MARK)):
        return text
    # A defanged dot cut in two would be taken for markup in the next round.
    return text[: limit - 1].rstrip(" [.:") + MARK


def _shown(limit: int) -> BeforeValidator:
    def validate(value: object) -> object:
        return clean(value, limit).text if isinstance(value, str) else value

    return BeforeValidator(validate)


ChainSymbol = Annotated[str, _shown(SYMBOL_LIMIT)]
"""A model field with the cleaned text of a symbol, at most 24 characters. Only str is taken."""
ChainName = Annotated[str, _shown(NAME_LIMIT)]
"""A model field with the cleaned text of a name, at most 64 characters. Only str is taken."""
ChainMessage = Annotated[str, _shown(MESSAGE_LIMIT)]
"""A model field with a cleaned upstream message, at most 120 characters. Only str is taken."""
