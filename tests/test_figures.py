"""Drawings: what stands in them, in every kind of file, the same each time."""

import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from drawn import COUNTS, drawn, quick, small
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from pymatgen.core.periodic_table import Element

from fesearch.errors import InputError
from fesearch.figures import Panel, Sheet, bars, checked, histogram, periodic_table, write
from fesearch.figures.binned import Steps, binned
from fesearch.figures.files import KINDS
from fesearch.figures.layout import HEIGHT, WIDTH, columns, draw_row
from fesearch.figures.lines import Line, lines
from fesearch.figures.periodic_table import place
from fesearch.figures.points import Point, points
from fesearch.figures.render import panel_svg, svg
from fesearch.figures.style import INK, compact, plain, tick
from fesearch.formula import ELEMENTS

ODD = "cost $x_1$ <b>&amp; \x07 能 \N{GREEK SMALL LETTER MU}"


def texts(panel: Panel) -> list[str]:
    """What is written in the SVG of a panel."""
    return [
        element.text or "" for element in ET.fromstring(panel_svg(panel)).iter() if is_text(element)
    ]


def is_text(element: ET.Element) -> bool:
    return element.tag.endswith("}text")


# The periodic table


def test_every_element_has_a_place_of_its_own_and_the_one_of_pymatgen() -> None:
    places = {symbol: place(number) for number, symbol in enumerate(ELEMENTS, start=1)}
    assert len(set(places.values())) == 118
    for symbol, (column, row) in places.items():
        element = Element(symbol)
        if element.is_lanthanoid or element.is_actinoid:
            assert (column, row) == (
                element.Z - (54 if row == 8 else 86),
                8 if element.Z < 72 else 9,
            )
        else:
            assert (column, row) == (element.group, element.row)


def test_the_table_has_all_symbols_and_the_numbers_of_those_that_occur() -> None:
    written = texts(periodic_table(COUNTS, title="Elements", label="rows"))
    assert set(ELEMENTS) <= set(written)
    assert {"12,345", "678", "91", "2"} <= set(written)
    assert {"1", "118", "57–71", "89–103"} <= set(written)


def test_a_table_of_errors_is_written_as_asked() -> None:
    panel = periodic_table(
        {"C": 0.0731, "N": 0.0658}, title="Error", label="MAE (eV/atom)", text="{:.3f}".format
    )
    assert {"0.073", "0.066", "MAE (eV/atom)"} <= set(texts(panel))
    assert "Highest: C 0.073, N 0.066." in panel.alt


@pytest.mark.parametrize(
    ("values", "log", "label"),
    [
        ({"O": 1000, "Fe": 10, "U": 1}, None, "rows (log scale)"),
        ({"O": 510, "Fe": 500, "U": 490}, None, "rows"),
        ({"O": 1000, "Fe": 10, "U": 0}, None, "rows"),
        ({"O": 1000, "Fe": 10, "U": 1}, False, "rows"),
        ({"O": 510, "Fe": 500, "U": 490}, True, "rows (log scale)"),
        ({"O": -1.0, "Fe": 2.0}, None, "rows"),
        ({"O": 7}, None, "rows"),
    ],
)
def test_colours_are_logarithmic_where_one_value_is_far_above_the_rest(
    values: Mapping[str, float], log: bool | None, label: str
) -> None:
    assert label in texts(periodic_table(values, title="Elements", label="rows", log=log))


def test_symbols_are_white_on_dark_and_black_on_light() -> None:
    panel = periodic_table({"O": 100, "Fe": 1}, title="Elements", label="rows")
    ink = {e.text: e.get("style", "") for e in ET.fromstring(panel_svg(panel)).iter() if is_text(e)}
    assert "fill: #ffffff" in ink["Fe"]
    assert "fill" not in ink["O"]  # black is SVG's own
    assert f"fill: {INK}" in ink["He"]


def test_a_table_of_nothing_is_empty() -> None:
    panel = periodic_table({}, title="Elements", label="rows")
    assert set(ELEMENTS) <= set(texts(panel))
    assert "rows" not in texts(panel)
    assert "Highest: none." in panel.alt


def test_an_element_that_is_none_is_refused() -> None:
    with pytest.raises(InputError) as refused:
        periodic_table({"Fe": 1, "Xx": 2}, title="Elements", label="rows")
    assert str(refused.value) == "There is no element 'Xx'.\nUse symbols such as Fe and O."


# Histograms


def test_a_histogram_tells_median_and_share_of_positive_values() -> None:
    panel = histogram(np.array([-2.0, -1.0, 0.0, 3.0]), title="e_form", unit="eV/atom")
    assert panel.note == "Median −0.5 eV/atom, 25.0 % positive."
    assert {"e_form (eV/atom)", "rows", "median"} <= set(texts(panel))


@pytest.mark.parametrize(
    ("values", "note"),
    [
        (np.arange(1.0, 9.0), "Median 4.5 Å."),
        (np.arange(-8.0, 0.0), "Median −4.5 Å, 0.0 % positive."),
        (np.r_[np.full(9999, -1.0), 1.0], "Median −1 Å, less than 0.1 % positive."),
        (np.full(5, 2.0), "Median 2 Å."),
        (np.array([7.0]), "Median 7 Å."),
        (np.array([7.0, np.nextafter(7.0, 8.0)]), "Median 7 Å."),
        (np.full(5, 1e20), "Median 1e+20 Å."),
        (np.zeros(5), "Median 0 Å, 0.0 % positive."),
    ],
)
def test_the_share_is_told_unless_all_are_positive(values: np.ndarray, note: str) -> None:
    panel = histogram(values, title="x", unit="Å")
    assert panel.note == note
    panel_svg(panel)


def test_values_far_from_all_others_are_counted_and_not_drawn() -> None:
    values = np.r_[np.linspace(-2, 2, 10_000), [43.5, 40.0], [-99.0]]
    panel = histogram(values, title="e", unit="eV/atom")
    assert panel.note.endswith("Beyond the axis: 1 below (to −99), 2 above (to 43.5) eV/atom.")
    assert not {"20", "40", "−50"} & set(texts(panel))


def test_a_bin_far_above_the_rest_makes_the_axis_logarithmic() -> None:
    spike = np.r_[np.zeros(100_000), np.linspace(0.1, 8, 2000)]
    assert "rows (log scale)" in texts(histogram(spike, title="gap", unit="eV"))
    assert "rows" in texts(histogram(np.linspace(0, 8, 2000), title="gap", unit="eV"))


# Bars


def test_bars_show_each_label_with_its_whole_count_and_a_key_of_the_groups_used() -> None:
    panel = bars(
        {"Fm-3m": 185_277, "P-1": 4},
        title="Space groups",
        axis="rows",
        groups={"Fm-3m": "cubic", "P-1": "triclinic"},
        palette={"triclinic": "#111111", "hexagonal": "#222222", "cubic": "#333333"},
    )
    written = texts(panel)
    assert {"Fm-3m", "P-1", "185,277", "4", "rows"} <= set(written)
    assert [word for word in written if word in ("triclinic", "hexagonal", "cubic")] == [
        "triclinic",
        "cubic",
    ]
    assert "#222222" not in panel_svg(panel)
    assert panel.alt.endswith("Bars of 2 by rows, the first ones: Fm-3m 185,277, P-1 4.")


# Points


def test_names_of_points_do_not_lie_on_each_other_and_stand_where_there_is_room() -> None:
    """On whatever scale: limits of axes are not known before they are asked for."""
    for scale in (0.01, 1.0, 100.0):
        every = [Point(f"E{i}", scale * (i % 6), scale * (i // 6)) for i in range(36)]
        every += [Point("X", scale * 2.01, scale * 2.01)]
        figure = Figure(figsize=(WIDTH / 3, HEIGHT))
        draw_row(figure, [points(every, title="T", x="x", y="y")], 3, 0.0)
        figure.canvas.draw()
        names = figure.axes[0].texts[1:]  # the first is the note
        assert len(names) == 36, scale
        boxes = [name.get_window_extent() for name in names]
        assert not any(one.overlaps(two) for n, one in enumerate(boxes) for two in boxes[:n])


# Words and numbers


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (73, "73"),
        (12_345, "12,345"),
        (99_999, "99,999"),
        (341_608, "342k"),
        (999_499, "999k"),
        (999_500, "1M"),
        (1_234_567, "1.23M"),
        (0.0873, "0.0873"),
        (-4.5, "−4.5"),
        (1020.3, "1,020"),
    ],
)
def test_numbers_fit_into_a_cell(value: float, text: str) -> None:
    assert compact(value) == text


def test_ticks_are_in_thousands_from_ten_thousand_on() -> None:
    values = (5_000, 10_000, 25_000, 200_000, 2_000_000)
    assert [tick(value, 0) for value in values] == ["5,000", "10k", "25k", "200k", "2M"]


@given(st.text(), st.integers(1, 50))
def test_any_text_can_stand_in_a_drawing(text: str, longest: int) -> None:
    found = plain(text, longest)
    assert len(found) <= longest
    assert found.isprintable()
    assert plain(found, longest) == found


# Sheets


def test_a_key_of_many_lines_leaves_room_for_the_lines() -> None:
    many = [Line(f"irnet {depth} layers norm before", [1, 2], [depth, 1]) for depth in range(12)]
    figure = Figure()
    draw_row(figure, [lines(many, title="", x="epochs", y="MAE")], 3, 0.0)
    (axes,) = figure.axes
    up = figure.get_size_inches()[1]
    assert axes.get_position().height * up > HEIGHT / 2
    assert end_of_key(figure) <= WIDTH / 3


def end_of_key(figure: Figure) -> float:
    """Where the key of the one picture of a sheet ends, in inches from the left."""
    legend = figure.axes[0].get_legend()
    assert legend is not None
    return legend.get_window_extent().transformed(figure.dpi_scale_trans.inverted()).x1


def test_long_names_of_models_by_bin_are_not_cut_off() -> None:
    names = [
        "duo-random_forest 4 (random_forest)",
        "forest 0",
        "net 0 (dnn)",
        "duo-irnet 0 (irnet)",
    ]
    every = [Steps(name, np.array([0.1, 0.2])) for name in names]
    figure = Figure()
    panel = binned(np.arange(3.0), np.array([3, 4]), every, title="", x="target", y="MAE")
    draw_row(figure, [panel], 3, 0.0)
    assert end_of_key(figure) <= WIDTH / 3


def test_the_panels_stand_in_rows_as_equal_as_can_be() -> None:
    table, narrow, _ = small().panels
    expected = {0: 1, 1: 1, 2: 2, 3: 3, 4: 2, 5: 3, 6: 3, 7: 3}
    assert {n: columns([table, *[narrow] * n]) for n in expected} == expected


def test_an_svg_has_all_panels_with_titles_notes_and_a_description() -> None:
    root = ET.fromstring(drawn(".svg"))
    written = {element.text for element in root.iter()}
    assert {"Oxides", "3 rows", "a bench", "Elements", "e_form", "Formulas", "AB₂"} <= written
    assert "Median 0.5 eV/atom, 66.7 % positive." in written
    described = root.find(".//{http://purl.org/dc/elements/1.1/}description")
    assert described is not None
    assert described.text == " ".join(["3 rows", *(panel.alt for panel in small().panels)]).replace(
        "  ", " "
    )


def test_a_png_is_a_picture_of_the_same_width_whatever_it_shows() -> None:
    content = drawn(".png")
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert int.from_bytes(content[16:20]) == 1950
    assert b"Title\x00Oxides" in content


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_sheet_gives_the_same_bytes_whatever_the_settings(kind: str) -> None:
    with matplotlib.rc_context({"font.size": 30, "svg.fonttype": "path", "axes.facecolor": "red"}):
        assert KINDS[kind](small()) == drawn(kind)
        assert matplotlib.rcParams["font.size"] == 30


def test_another_process_gives_the_same_bytes_and_needs_no_pyplot(tmp_path: Path) -> None:
    program = (
        "import sys, test_figures as t\n"
        "from pathlib import Path\n"
        "t.write(t.quick(), Path(sys.argv[1]))\n"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    path = tmp_path / "small.svg"
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"
    assert path.read_bytes() == svg(quick())


@pytest.mark.parametrize("kind", KINDS)
def test_odd_names_of_the_users_are_drawn_as_they_are(kind: str) -> None:
    values = np.array([1.0, 2.0])
    odd = Sheet(
        title=ODD,
        lead=ODD,
        source=ODD * 50,
        panels=[
            histogram(values, title=ODD, unit=ODD),
            bars({ODD: 1, "x" * 500: 2}, title="Odd", axis="rows"),
        ],
    )
    content = KINDS[kind](odd)
    if kind == ".svg":
        written = [e.text or "" for e in ET.fromstring(content).iter() if is_text(e)]
        found = [text for text in written if text.startswith("cost $x_1$ <b>&amp; 能")]
        assert len(found) == 6  # title, lead, source, title of a panel, its axis, a bar


@settings(max_examples=5, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30))
def test_any_values_are_drawn(values: list[float]) -> None:
    panel_svg(histogram(np.array(values), title="x", unit="eV"))


# Files


def test_a_file_that_is_there_is_replaced_and_a_folder_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "figure.SVG"
    for _ in range(2):
        write(quick(), path)
        assert path.read_bytes() == svg(quick())
    assert list(path.parent.iterdir()) == [path]


def test_a_suffix_of_no_figure_is_refused() -> None:
    with pytest.raises(InputError) as refused:
        checked(Path("some/figure.pdf"))
    assert str(refused.value) == (
        "'some/figure.pdf' does not end in .png, .svg, .html.\nType: --to some/figure.png"
    )


def test_a_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "figures.png"
    folder.mkdir()
    with pytest.raises(InputError) as refused:
        checked(folder)
    assert str(refused.value) == f"'{folder}' is a folder.\nType: --to {folder}/figure.png"


def test_a_place_where_nothing_can_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    path = tmp_path / "file" / "figure.svg"
    with pytest.raises(InputError) as refused:
        write(quick(), path)
    assert str(refused.value) == (
        f"The figure '{path}' cannot be written: File exists.\nName another file: --to FILE.png"
    )


@pytest.mark.parametrize("at", [0.1, 0.5, 0.8, 0.99])
def test_the_label_of_a_point_stays_in_the_picture(at: float) -> None:
    mark = (at, 90.0, "0.1234 eV/atom")
    panel = lines([Line("one", [0, 1], [0, 100], mark)], title="", x="", y="", limits=(0, 1))
    figure = Figure(figsize=(4.3, 3.7))
    axes = figure.subplots()
    panel.draw(axes)
    (label,) = axes.texts
    assert label.get_window_extent().x1 <= axes.get_window_extent().x1 + 20
    assert label.get_window_extent().x0 >= axes.get_window_extent().x0
