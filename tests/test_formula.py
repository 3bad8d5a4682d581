"""Formulas as people write them; pymatgen is the second opinion."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core.composition import Composition
from pymatgen.core.periodic_table import Element

from fesearch.errors import InputError
from fesearch.formula import ELEMENTS, contents, parse, reduced, symbols


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Fe2O3", "Fe2O3"),
        ("Fe4O6", "Fe2O3"),
        ("O3Fe2", "Fe2O3"),
        ("Al2 O3", "Al2O3"),
        (" Al 2 O 3 ", "Al2O3"),
        ("Al2\u00a0O3", "Al2O3"),
        ("Fe₂O₃", "Fe2O3"),
        ("Li2O1", "Li2O"),
        ("CO", "CO"),
        ("Co", "Co"),
        ("CH3COOH", "CH2O"),
        ("Fe0.5Ni0.5", "FeNi"),
        ("Fe0.4O0.60", "Fe2O3"),
        ("Fe0.333O0.667", "Fe333O667"),
        ("Ca(OH)2", "CaH2O2"),
        ("[Co(NH3)6]Cl3", "Cl3CoH18N6"),
        ("{[K2(SO4)]3}2", "K2O4S"),
        ("(Fe0.5Ni0.5)2O", "FeNiO"),
        ("CuSO4·5H2O", "CuH10O9S"),
        ("CuSO4 • 5 H2O", "CuH10O9S"),
        ("CuSO4*5H2O", "CuH10O9S"),
        ("CuSO4.5H2O", "CuH10O9S"),
        ("CaSO4·0.5H2O", "Ca2H2O9S2"),
        ("CaSO4.0.5H2O", "Ca2H2O9S2"),
        ("CuSO4.H2O", "CuH2O5S"),
        ("3CaO·Al2O3", "Al2Ca3O6"),
        ("AlF0.5H2O", "Al2FH4O2"),
        ("AlH2O4.5", "Al2H4O9"),
    ],
)
def test_one_spelling_for_all_ways_to_write_a_composition(text: str, expected: str) -> None:
    assert reduced(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Xx2O3", "there is no element Xx."),
        ("NaCL", "there is no element L."),
        ("D2O", "there is no element D (an isotope: write H)."),
        ("T2O", "there is no element T (an isotope: write H)."),
        ("Fe3+", "it carries a charge, and a compound is neutral."),
        ("Na+", "it carries a charge, and a compound is neutral."),
        ("O2-", "it carries a charge, and a compound is neutral."),
        ("SO4^2-", "it carries a charge, and a compound is neutral."),
        ("Fe³⁺", "it carries a charge, and a compound is neutral."),
        ("Fe2O3-x", "'-' is not part of a formula."),
        ("fe2o3", "'f' is not part of a formula."),
        ("Fe1e5", "'e' is not part of a formula."),
        ("Fe2 3", "the number 3 follows no element or bracket."),
        ("Fe0O3", "an amount is 0."),
        ("Fe(OH)0.0", "an amount is 0."),
        ("Fe(OH", "a bracket is not closed, ) is missing."),
        ("Fe(OH]", "] closes no bracket."),
        ("FeO)2", ") closes no bracket."),
        ("Fe()2", "it has an empty bracket."),
        ("Fe(2)", "the number 2 follows no element or bracket."),
        ("12", "a part of it has no element."),
        ("CuSO4·", "a part of it has no element."),
        ("(" * 11 + "Fe" + ")" * 11, "it has more than 10 brackets in one another."),
        ("Fe" + "1" * 21, "an amount has more than 20 digits."),
        ("Fe" * 501, "it has 1002 characters, more than 1000."),
        (
            "3".join(ELEMENTS[:80]) + "0.000000000000001",
            "its amounts have no common measure within reason.",
        ),
        ("Fe0.123456789O12345678901234567", "its amounts have no common measure within reason."),
    ],
)
def test_what_is_no_formula_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text)
    shown = text if len(text) <= 40 else text[:39] + "…"
    assert caught.value.message == f"'{shown}' is not a formula: {reason}"
    assert caught.value.hint == "Write it like Fe2O3, Ca(OH)2, CuSO4·5H2O or Fe0.5Ni0.5."


@pytest.mark.parametrize("text", ["", "  \t"])
def test_an_empty_formula_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"^The formula is empty\."):
        reduced(text)


def test_amounts_are_exact_and_in_the_order_written() -> None:
    assert list(parse("O0.1Fe2O0.2").items()) == [("O", Fraction(3, 10)), ("Fe", 2)]
    with pytest.raises(TypeError):
        parse("FeO")["Fe"] = 2  # type: ignore[index]


def test_elements_are_those_of_pymatgen_by_atomic_number() -> None:
    assert [Element.from_Z(z).symbol for z in range(1, 119)] == list(ELEMENTS)


_amount = st.one_of(
    st.just(""),
    st.integers(1, 200).map(str),
    st.decimals("0.01", "9.99", places=2).map(lambda amount: f"{amount:f}"),
)
_group = st.tuples(st.sampled_from(ELEMENTS), _amount).map("".join)
_nested = st.recursive(
    st.lists(_group, min_size=1, max_size=4).map("".join),
    lambda inner: st.tuples(inner, inner, _amount).map(lambda p: f"{p[0]}({p[1]}){p[2]}"),
    max_leaves=5,
)


@given(_nested)
@settings(max_examples=300, deadline=None)
def test_pymatgen_reads_the_same_amounts(text: str) -> None:
    expected = Composition(text).get_el_amt_dict()
    amounts = parse(text)
    assert set(amounts) == set(expected)
    assert [float(amounts[symbol]) for symbol in expected] == pytest.approx(
        list(expected.values()), rel=1e-9, abs=1e-7
    )


@given(_nested)
@settings(max_examples=300, deadline=None)
def test_reducing_twice_is_reducing_once(text: str) -> None:
    once = reduced(text)
    assert reduced(once) == once
    assert symbols(once) == sorted(parse(text))
    amounts = [parse(once)[symbol] for symbol in symbols(once)]
    expected = [*symbols(once), "Fe", "O"], [*amounts, 2, 3], [len(amounts), 2]
    assert contents([once, "Fe2O3"]) == expected
    ratios = {
        symbol: amount / Fraction(parse(text)[symbol]) for symbol, amount in parse(once).items()
    }
    assert len(set(ratios.values())) == 1


_looks_like_one = st.text(alphabet="FeOH2105.()[]{}·*+-^₂ CuSDTx\n", max_size=15)


@given(st.one_of(st.text(max_size=20), _looks_like_one))
@settings(max_examples=2000, deadline=None)
def test_any_text_is_read_or_refused_on_two_lines(text: str) -> None:
    try:
        once = reduced(text)
    except InputError as error:
        refusal = error
    else:
        assert reduced(once) == once
        return
    assert len(str(refusal).splitlines()) == 2
