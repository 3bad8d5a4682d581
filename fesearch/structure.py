"""Crystal structures as texts: one spelling for each, known by its digest.

The text is JSON that pymatgen's ``Structure.from_dict`` reads, with the lattice and the occupied
sites and nothing else, so that two files of one structure have one digest.
"""

import hashlib
import json
import math
import warnings
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

from fesearch.errors import InputError, quoted
from fesearch.formula import ELEMENTS

MOST_SITES = 2000  # of a cell; the largest of the Materials Project have some 450
SMALLEST = 0.1  # Å³, of a cell: less is a fault of units or a flat cell
LONGEST_CIF = 1 << 22  # bytes
DECIMALS = 10  # of Å and of fractions; finer is the rounding noise of whatever wrote the file
_OCCUPANCY_TOLERANCE = 1e-8  # of pymatgen: the occupancies of a site may exceed 1 by this
_KNOWN = frozenset(ELEMENTS)

#: Texts of the rows of these numbers, in their order; only rows with a structure are asked for.
Read: TypeAlias = Callable[[Sequence[int]], Iterator[str]]


class Structures:
    """The structures of n rows; the texts are read only when asked for.

    Attributes:
        digests: SHA-256 of each text, hexadecimal; "" where a row has no structure.
    """

    def __init__(self, digests: Sequence[str], read: Read) -> None:
        self.digests = tuple(digests)
        self._read = read

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Structures":
        """Hold texts in memory, packed as they come; "" is no structure."""
        packed = Packed()
        for text in texts:
            packed.append(text)
        return packed.structures()

    def __len__(self) -> int:
        return len(self.digests)

    def texts(self, rows: Sequence[int]) -> Iterator[str]:
        """The texts of rows, in the order of ``rows``; "" where a row has no structure.

        Raises:
            InputError: the file they are in is missing or damaged.
        """
        there = self._read([row for row in rows if self.digests[row]])
        return (next(there) if self.digests[row] else "" for row in rows)

    def taken(self, order: Sequence[int]) -> "Structures":
        """The structures of some of the rows, in another order."""
        read, order = self._read, list(order)
        digests = [self.digests[row] for row in order]
        return Structures(digests, lambda rows: read([order[row] for row in rows]))

    def without(self, rows: Collection[int]) -> "Structures":
        """The same, but these rows have none."""
        kept = [digest if row not in rows else "" for row, digest in enumerate(self.digests)]
        return Structures(kept, self._read)


class Packed:
    """Structures that are being collected, compressed in memory."""

    def __init__(self) -> None:
        self._digests: list[str] = []
        self._texts: list[bytes] = []

    def append(self, text: str) -> None:
        """Add the structure of the next row; "" is no structure."""
        self._digests.append(digest(text))
        self._texts.append(zlib.compress(text.encode(), 1) if text else b"")

    def structures(self) -> Structures:
        """Those of all rows so far."""
        texts = tuple(self._texts)

        def read(rows: Sequence[int]) -> Iterator[str]:
            return (zlib.decompress(texts[row]).decode() for row in rows)

        return Structures(self._digests, read)


def digest(text: str) -> str:
    """SHA-256 of a structure's text; none has none."""
    return hashlib.sha256(text.encode()).hexdigest() if text else ""


def from_cell(value: str | Mapping[str, Any], folder: Path) -> str:
    """The canonical text of what stands in a table: pymatgen's JSON, or the path of a CIF file.

    Args:
        folder: what such a path starts from.

    Raises:
        InputError: it is no structure; the message says why.
    """
    if isinstance(value, str) and not value.startswith("{"):
        return from_cif(folder / value)
    return canonical(value)


def canonical(value: str | Mapping[str, Any]) -> str:
    """The one text of a structure that pymatgen wrote.

    Args:
        value: ``Structure.as_dict()``, or its JSON.

    Returns:
        JSON of the lattice (rows of the matrix are the vectors, Å) and of the sites, in the order
        given: fractional coordinates, and elements with occupancies, rounded to ``DECIMALS``.
        Charges, oxidation states, labels and properties are left out.

    Raises:
        InputError: it is no structure; the message says why.
    """
    found = _parsed(value) if isinstance(value, str) else value
    lattice = found.get("lattice")
    if not isinstance(lattice, Mapping) or "matrix" not in lattice:
        _refuse("it has no matrix of a lattice")
    sites = found.get("sites")
    if not isinstance(sites, list) or not sites:
        _refuse("it has no sites")
    if len(sites) > MOST_SITES:
        _refuse(f"it has {len(sites)} sites, more than {MOST_SITES}")
    return json.dumps(
        {
            "lattice": {"matrix": _matrix(lattice["matrix"])},
            "sites": [_site(place, site) for place, site in enumerate(sites, 1)],
        },
        sort_keys=True,
        separators=(",", ":"),
    )


def _parsed(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        _refuse(f"{quoted(text)} is not JSON")
    if not isinstance(found, dict):
        _refuse(f"{quoted(text)} is no JSON object")
    return found


def _matrix(rows: Any) -> list[list[float]]:
    """Three lattice vectors with a volume between them, Å."""
    if not isinstance(rows, list) or len(rows) != 3:
        _refuse("its lattice has not three vectors")
    matrix = [_vector(row, "its lattice") for row in rows]
    (ax, ay, az), (bx, by, bz), (cx, cy, cz) = matrix
    volume = ax * (by * cz - bz * cy) + ay * (bz * cx - bx * cz) + az * (bx * cy - by * cx)
    if not SMALLEST <= abs(volume) < math.inf:
        _refuse(f"its cell has a volume of {abs(volume):.3g} Å³")
    return matrix


def _site(place: int, site: Any) -> dict[str, Any]:
    """Coordinates and elements of one site; ``place`` counts from 1."""
    if not isinstance(site, Mapping) or not isinstance(site.get("species"), list):
        _refuse(f"site {place} has no species")
    occupancies: dict[str, float] = {}
    for species in site["species"]:
        symbol, occupancy = _species(place, species)
        occupancies[symbol] = occupancies.get(symbol, 0.0) + occupancy
    if not 0 < sum(occupancies.values()) <= 1 + _OCCUPANCY_TOLERANCE:
        _refuse(f"site {place} is occupied {sum(occupancies.values()):.6g} times")
    return {
        "abc": _vector(site.get("abc"), f"site {place}"),
        "species": [
            {"element": symbol, "occu": occupancies[symbol]} for symbol in sorted(occupancies)
        ],
    }


def _species(place: int, species: Any) -> tuple[str, float]:
    """An element of a site and its occupancy."""
    if not isinstance(species, Mapping):
        _refuse(f"site {place} has no species")
    symbol = species.get("element")
    if not isinstance(symbol, str) or symbol not in _KNOWN:
        _refuse(f"site {place} has no element {quoted(str(symbol))}")
    occupancy = _real(species.get("occu"))
    if occupancy is None or not 0 < occupancy <= 1 + _OCCUPANCY_TOLERANCE:
        _refuse(f"the occupancy of {symbol} on site {place} is not above 0 and at most 1")
    return symbol, occupancy


def _vector(value: Any, what: str) -> list[float]:
    """Three finite numbers."""
    numbers = [_real(number) for number in value] if isinstance(value, list) else []
    found = [number for number in numbers if number is not None]
    if len(numbers) != 3 or len(found) != 3:
        _refuse(f"the coordinates of {what} are not three finite numbers")
    return found


def _real(value: Any) -> float | None:
    """A finite number of so many decimals, zero without a sign; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return round(number, DECIMALS) + 0.0 if math.isfinite(number) else None


def _refuse(reason: str) -> NoReturn:
    raise InputError(
        f"The structure cannot be used: {reason}.",
        "Give what pymatgen's Structure.as_dict() or Structure.to_json() wrote, or a CIF file.",
    )


def formula_of(text: str) -> str:
    """The contents of the cell of a text that ``canonical`` returned, such as Fe4O6.

    Elements stand in the order of the sites; amounts are sums of occupancies, exact decimals.
    """
    amounts: dict[str, Decimal] = {}
    for site in json.loads(text)["sites"]:
        for species in site["species"]:
            symbol = species["element"]
            amounts[symbol] = amounts.get(symbol, Decimal(0)) + Decimal(repr(species["occu"]))
    return "".join(f"{symbol}{_amount(amount)}" for symbol, amount in amounts.items())


def _amount(amount: Decimal) -> str:
    """An amount as it stands in a formula: 1 is not written, and no zeros at the end."""
    digits = f"{amount:f}"
    digits = digits.rstrip("0").rstrip(".") if "." in digits else digits
    return "" if digits == "1" else digits


def from_cif(path: Path) -> str:
    """The canonical text of the first structure in a CIF file.

    Raises:
        InputError: it cannot be read, or pymatgen makes no structure of it.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for, a device is endless
            _refuse(f"{quoted(str(path), 200)} is no file")
        with path.open("rb") as file:
            read = file.read(LONGEST_CIF + 1)
        if len(read) > LONGEST_CIF:
            _refuse(f"{path.name} is longer than {LONGEST_CIF} bytes")
        content = read.decode()
    except OSError as error:
        _refuse(f"{quoted(str(path), 200)} cannot be read, {error.strerror}")
    except ValueError:
        _refuse(f"{quoted(str(path), 200)} is no text in UTF-8")
    from pymatgen.core.structure import Structure

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of roundings and oxidation states: no matter here
            found = Structure.from_str(content, fmt="cif").as_dict()
    except Exception as error:  # noqa: BLE001  # a parser of many parts raises many things
        reason = str(error).splitlines() or [type(error).__name__]
        _refuse(f"pymatgen makes no structure of {path.name}, {quoted(reason[0], 80)}")
    return canonical(json.loads(json.dumps(found, default=float)))
