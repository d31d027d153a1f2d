"""Symbols in formulas: which letters a reader must know to read a piece of LaTeX."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = re.compile(r"\\[a-zA-Z]+|\\.|[a-zA-Z]|\d+(?:\.\d+)?|\S")
_FONTS = {"mathcal", "mathbb", "mathbf", "mathsf", "mathfrak", "boldsymbol", "bm"}
_ACCENTS = {"bar", "tilde", "hat", "dot", "ddot", "vec", "widehat", "widetilde", "overline"}
_NAMES = {"mathrm", "operatorname", "text", "textrm", "mathit"}
_SKIPPED_GROUP = {"text", "textrm", "label", "tag", "hspace", "color"}
_UNITS = {"Hz", "s", "ms", "bits", "nats", "d", "rad", "cm"}
# Layout and punctuation: they say how symbols stand together and need no introduction.
_WORDS = (
    "left right big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr frac dfrac tfrac sqrt quad "
    "qquad cdot cdots ldots dots vdots ddots times le leq ge geq ne neq ll gg equiv propto to "
    "rightarrow mapsto Rightarrow iff implies subset subseteq cup cap setminus forall exists "
    "mid middle begin end limits nolimits displaystyle textstyle scriptstyle mathop "
    "underbrace overbrace underset overset prime star circ ast infty pm mp lVert rVert lvert "
    "rvert langle rangle lbrace rbrace lfloor rfloor lceil rceil colon ldotp nonumber hfill "
    "substack partial nabla notin cdotp dagger top bot perp parallel Vert vert smash vphantom "
    "phantom mathrel mathbin boxed triangleq coloneqq not "
)
STRUCTURE = frozenset(_WORDS.split())
_ENVIRONMENTS = re.compile(r"\\(?:begin|end)\s*\{[a-zA-Z*]+\}(?:\{[lcr|]+\})?")


@dataclass(frozen=True)
class Symbol:
    """A letter or a name with its font and accent, and what stands below it, if anything."""

    base: str
    below: str = ""

    def __str__(self) -> str:
        return f"{self.base}_{{{self.below}}}" if self.below else self.base


def normal(text: str) -> str:
    r"""LaTeX without blanks, `\bar x` and `\bar{x}` as one, for comparing whole expressions."""
    text = text.replace("\\ ", "\\,")
    text = re.sub(r"\\([a-zA-Z]+)\s+([a-zA-Z])(?![a-zA-Z])", _braced, text)
    text = re.sub(r"_\s*([a-zA-Z0-9])", r"_{\1}", text)
    text = re.sub(r"_\s*(\\[a-zA-Z]+)", r"_{\1}", text)
    text = re.sub(r"(\\[a-zA-Z]+)\s+(?=[a-zA-Z])", "\\1\0", text)  # the blank that ends a command
    return re.sub(r"\s+", "", text).replace("\0", " ")


def _braced(found: re.Match) -> str:
    if found[1] in _FONTS | _ACCENTS:
        return f"\\{found[1]}{{{found[2]}}}"
    return found[0]


def symbols(text: str) -> list[Symbol]:
    """The symbols of a formula in order, layout and numbers left out."""
    tokens = _TOKEN.findall(_ENVIRONMENTS.sub(" ", text))
    found, rest = _read(tokens, 0, top=True)
    if rest != len(tokens):
        found += _read(tokens, rest + 1, top=True)[0]
    return found


def _group(tokens: list[str], place: int) -> tuple[list[str], int]:
    """The tokens of the next argument, and where it ends."""
    if place >= len(tokens):
        return [], place
    if tokens[place] != "{":
        if tokens[place].lstrip("\\") in _FONTS | _ACCENTS | _NAMES:
            inside, end = _group(tokens, place + 1)
            return [tokens[place], "{", *inside, "}"], end
        return [tokens[place]], place + 1
    depth, end = 1, place + 1
    while end < len(tokens) and depth:
        depth += {"{": 1, "}": -1}.get(tokens[end], 0)
        end += 1
    return tokens[place + 1 : end - 1], end


def _read(tokens: list[str], place: int, *, top: bool) -> tuple[list[Symbol], int]:
    found: list[Symbol] = []
    while place < len(tokens):
        token = tokens[place]
        name = token.lstrip("\\") if token.startswith("\\") and len(token) > 1 else ""
        place += 1
        if name in _SKIPPED_GROUP:
            place = _group(tokens, place)[1]
        elif name in _NAMES:
            if place < len(tokens) and tokens[place] == "*":
                place += 1
            inside, place = _group(tokens, place)
            word = "".join(part for part in inside if part.isalnum())
            if word in ("argmin", "argmax"):
                found.append(Symbol("\\arg"))
                continue
            if top and word and not (name == "mathrm" and word in _UNITS):
                kind = "operatorname" if name == "operatorname" else "mathrm"
                place = _with_below(tokens, place, f"\\{kind}{{{word}}}", found)
        elif name in _FONTS:
            inside, place = _group(tokens, place)
            place = _with_below(tokens, place, f"\\{name}{{{''.join(inside)}}}", found)
        elif name in _ACCENTS:
            inside, place = _group(tokens, place)
            within = _read(inside, 0, top=top)[0]
            if len(within) == 1 and name not in ("hat", "widehat"):
                place = _with_below(tokens, place, f"\\{name}{{{within[0].base}}}", found)
            else:
                found += within
        elif name and name not in STRUCTURE:
            if name[0].isalpha():
                place = _with_below(tokens, place, token, found)
        elif token.isalpha() and len(token) == 1:
            place = _with_below(tokens, place, token, found)
        elif token == "_":
            inside, place = _group(tokens, place)
            found += _read(inside, 0, top=False)[0]
    return found, place


def _with_below(tokens: list[str], place: int, base: str, found: list[Symbol]) -> int:
    """Add a symbol, with the index below it if one follows; the index is read, too."""
    while place < len(tokens) and tokens[place] == "'":
        place += 1
    power: list[str] = []
    if place < len(tokens) and tokens[place] == "^":
        power, place = _group(tokens, place + 1)
    if place < len(tokens) and tokens[place] == "_":
        inside, end = _group(tokens, place + 1)
        found.append(Symbol(base, normal("".join(inside))))
        found += _read(inside, 0, top=False)[0]
        place = end
    else:
        found.append(Symbol(base))
    found += _read(power, 0, top=False)[0]
    return place
