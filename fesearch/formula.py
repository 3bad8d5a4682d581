"""Chemical formulas as people write them, read exactly.

Understood: ``Fe2O3``, ``Al2 O3``, ``Ca(OH)2``, brackets () [] {} in one another, ``Fe0.5Ni0.5``,
``CuSO4·5H2O`` (also with • ⋅ ∙ or * for the dot), subscript digits. A full stop is a decimal point
before a digit, except where it and a count stand before a last ``H2O``: ``CuSO4.5H2O`` is the
hydrate, as chemists write it, and not O4.5. Charges and the isotopes D and T are refused.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from math import gcd, lcm
from types import MappingProxyType
from typing import NoReturn, TypeAlias

from fesearch.errors import InputError, quoted

_SYMBOLS = """
    H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br
    Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho
    Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf Es
    Fm Md No Lr Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og
"""

#: Symbols of the elements by atomic number, from 1 at index 0.
ELEMENTS: tuple[str, ...] = tuple(_SYMBOLS.split())

LONGEST = 1000  # characters of a formula
DEEPEST = 10  # brackets in one another
MOST_DIGITS = 20  # digits of an amount, as written and as reduced

_KNOWN = frozenset(ELEMENTS)
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_SPELLING = str.maketrans("₀₁₂₃₄₅₆₇₈₉•⋅∙*", "0123456789····")
_CHARGE = re.compile(r"[+⁺⁻^⁰¹²³⁴⁵⁶⁷⁸⁹]|[-−–]\s*$")
_PLAIN = re.compile(r"(?:[A-Z][a-z]?(?:[0-9]+(?:\.[0-9]+)?)?\s*)+")
_SYMBOL = re.compile(r"[A-Z][a-z]?")
_PLAIN_PAIR = re.compile(r"([A-Z][a-z]?)([0-9.]*)")
_WATER = re.compile(r"\.(?=\s*[0-9]+(?:\.[0-9]+)?\s*H2O\s*$)")
_ZERO_BEFORE = re.compile(r"(?<![0-9])0+$")
_STOP_BEFORE_LETTER = re.compile(r"\.(?=\s*[A-Z(\[{])")
_TOKEN = re.compile(
    r"\s*(?:(?P<element>[A-Z][a-z]?)|(?P<open>[(\[{])|(?P<close>[)\]}])|(?P<dot>·)"
    r"|(?P<number>[0-9]+(?:\.[0-9]+)?))\s*"
)

_HINT = "Write it like Fe2O3, Ca(OH)2, CuSO4·5H2O or Fe0.5Ni0.5."

Amount: TypeAlias = int | Fraction
Amounts: TypeAlias = Mapping[str, Amount]


def parse(text: str) -> Amounts:
    """The amount of each element in a formula, in the order first written; exact and positive.

    Raises:
        InputError: it is not a formula; the message says why.
    """
    return _read(text)[0]


def reduced(text: str) -> str:
    """The one spelling of all formulas of the same composition.

    Elements stand in alphabetical order with the smallest whole amounts: Fe4O6, O3Fe2 and
    Fe0.4O0.6 are all Fe2O3. Decimals are taken exactly: Fe0.333O0.667 is Fe333O667.

    Raises:
        InputError: it is not a formula; the message says why.
    """
    return _read(text)[1]


def contents(reduced: Sequence[str]) -> tuple[list[str], list[int], list[int]]:
    """What is in formulas that ``reduced`` returned, without parsing them again.

    Returns:
        the elements of all formulas, one formula after the other; the amount of each; and the
        number of elements of each formula.
    """
    pairs = [_PLAIN_PAIR.findall(text) for text in reduced]
    return (
        [symbol for found in pairs for symbol, _ in found],
        [int(digits or 1) for found in pairs for _, digits in found],
        [len(found) for found in pairs],
    )


def symbols(reduced: str) -> list[str]:
    """The elements of a formula that ``reduced`` returned, without parsing it again."""
    return _SYMBOL.findall(reduced)


@lru_cache(maxsize=1 << 14)
def _read(text: str) -> tuple[Amounts, str]:
    """The amounts in a formula, and its reduced spelling."""
    spelled = text.strip()
    if not spelled:
        raise InputError("The formula is empty.", _HINT)
    if len(spelled) > LONGEST:
        _refuse(text, f"it has {len(spelled)} characters, more than {LONGEST}")
    if _PLAIN.fullmatch(spelled) and not (spelled.endswith("H2O") and "." in spelled):
        pairs: list[tuple[str, str]] = _PLAIN_PAIR.findall(spelled)
        amounts = _total(text, [(symbol, _number(text, digits)) for symbol, digits in pairs])
    else:
        amounts = _nested(text, spelled.translate(_SPELLING))
    return MappingProxyType(amounts), _spell(text, amounts)


def _total(text: str, pairs: Iterable[tuple[str, Amount]]) -> dict[str, Amount]:
    """Sums of the amounts of each element; every symbol checked."""
    amounts: dict[str, Amount] = {}
    for symbol, amount in pairs:
        amounts[symbol] = amounts[symbol] + amount if symbol in amounts else amount
    if not _KNOWN.issuperset(amounts):
        symbol = next(symbol for symbol in amounts if symbol not in _KNOWN)
        isotope = " (an isotope: write H)" if symbol in ("D", "T") else ""
        _refuse(text, f"there is no element {symbol}{isotope}")
    return amounts


def _nested(text: str, spelled: str) -> dict[str, Amount]:
    """The amounts in a formula with brackets, dots or a leading count."""
    if _CHARGE.search(spelled):
        _refuse(text, "it carries a charge, and a compound is neutral")
    parts = _STOP_BEFORE_LETTER.sub("·", _mark_water(spelled)).split("·")
    pairs = [pair for part in parts for pair in _part(text, part)]
    return _total(text, pairs)


def _mark_water(spelled: str) -> str:
    """The same with ``·`` where a full stop stands before a count of water: SO4.5H2O."""
    stop = _WATER.search(spelled)
    if not stop or _ZERO_BEFORE.search(spelled[: stop.start()]):
        return spelled  # F0.5H2O: nothing can have the amount 0, so this is a decimal point
    return f"{spelled[: stop.start()]}·{spelled[stop.end() :]}"


def _part(text: str, part: str) -> list[tuple[str, Amount]]:
    """The elements of ``[count] group group …`` with their amounts, the brackets resolved."""
    stack: list[tuple[str, list[tuple[str, Amount]]]] = [("", [])]
    factor: Amount = 1
    last = position = 0  # last: pairs a number at this place multiplies
    countable = False
    while position < len(part):
        token = _TOKEN.match(part, position)
        if token is None:
            _refuse(text, f"{quoted(part[position:].strip()[0])} is not part of a formula")
        position, found = token.end(), stack[-1][1]
        kind, word = token.lastgroup, token[token.lastgroup or 0]
        if kind == "element":
            last, countable = 1, True
            found.append((word, 1))
        elif kind == "open":
            countable = False
            stack.append((_CLOSING[word], []))
            if len(stack) > DEEPEST + 1:
                _refuse(text, f"it has more than {DEEPEST} brackets in one another")
        elif kind == "close":
            expected, inner = stack.pop()
            if word != expected:
                _refuse(text, f"{word} closes no bracket")
            if not inner:
                _refuse(text, "it has an empty bracket")
            stack[-1][1].extend(inner)
            last, countable = len(inner), True
        elif token.start() == 0:
            factor = _number(text, word)
        elif countable:
            count = _number(text, word)
            found[-last:] = [(symbol, amount * count) for symbol, amount in found[-last:]]
            countable = False
        else:
            _refuse(text, f"the number {word} follows no element or bracket")
    if len(stack) > 1:
        _refuse(text, f"a bracket is not closed, {stack[-1][0]} is missing")
    if not stack[0][1]:
        _refuse(text, "a part of it has no element")
    return [(symbol, amount * factor) for symbol, amount in stack[0][1]]


def _number(text: str, digits: str) -> Amount:
    """An amount as written; none is 1."""
    if len(digits) > MOST_DIGITS:
        _refuse(text, f"an amount has more than {MOST_DIGITS} digits")
    return _exact(digits) or _refuse(text, "an amount is 0")


@lru_cache(maxsize=4096)
def _exact(digits: str) -> Amount:
    """The number, an int where it is whole because those are ten times as fast."""
    number = Fraction(digits or 1)
    return number.numerator if number.denominator == 1 else number


def _spell(text: str, amounts: Amounts) -> str:
    """The reduced spelling of amounts."""
    try:
        divisor = gcd(*amounts.values())  # type: ignore[arg-type]
        whole: Mapping[str, int] = amounts  # type: ignore[assignment]
    except TypeError:  # a fraction: to look for one first would take all formulas longer
        scale = lcm(*[amount.denominator for amount in amounts.values()])
        whole = {symbol: int(amount * scale) for symbol, amount in amounts.items()}
        divisor = gcd(*whole.values())
    if divisor > 1:
        whole = {symbol: amount // divisor for symbol, amount in whole.items()}
    spelling = "".join(
        [symbol if whole[symbol] == 1 else f"{symbol}{whole[symbol]}" for symbol in sorted(whole)]
    )
    if len(spelling) > LONGEST or max(whole.values()) >= 10**MOST_DIGITS:
        _refuse(text, "its amounts have no common measure within reason")
    return spelling


def _refuse(text: str, reason: str) -> NoReturn:
    raise InputError(f"{quoted(text)} is not a formula: {reason}.", _HINT)
