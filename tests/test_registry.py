"""Declarations found by name, one a module, and plug-ins by entry point."""

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from fesearch import registry
from fesearch.errors import InputError
from fesearch.registry import Registry, nearest


@pytest.fixture
def shapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry[str]:
    """A registry of text over a package of two modules and a private one."""
    package = tmp_path / "shapes"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "circle.py").write_text("SHAPE = 'round'")
    (package / "number.py").write_text("SHAPE = 3")
    (package / "broken.py").write_text("raise RuntimeError('imported')")
    (package / "_helpers.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    for module in [name for name in sys.modules if name.split(".")[0] == "shapes"]:
        monkeypatch.delitem(sys.modules, module)
    plugged_in = EntryPoint("square", "textwrap:__name__", "shapes")
    monkeypatch.setattr(
        registry, "entry_points", lambda group: [plugged_in] if group == "shapes" else []
    )
    return Registry("shape", str, "shapes", "SHAPE", "shapes list")


def test_names_are_listed_without_importing_the_modules(shapes: Registry[str]) -> None:
    assert shapes.names() == ["broken", "circle", "number", "square"]
    assert "shapes.circle" not in sys.modules


def test_a_declaration_is_found_in_its_module(shapes: Registry[str]) -> None:
    assert shapes.get("circle") == "round"


def test_a_plug_in_is_loaded_by_its_entry_point(shapes: Registry[str]) -> None:
    assert shapes.get("square") == "textwrap"


def test_a_plug_in_that_fails_is_named_and_left_out_of_a_listing(
    shapes: Registry[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "hued.py").write_text("import no_such_module\n")
    for module in ("broken", "number"):
        (tmp_path / "shapes" / f"{module}.py").unlink()
    points = [EntryPoint(name, f"hued:{name}", "shapes") for name in ("oval", "ring")]
    points.append(EntryPoint("square", "textwrap:__name__", "shapes"))
    monkeypatch.setattr(registry, "entry_points", lambda group: points)
    square = Registry("shape", str, "shapes", "SHAPE", "shapes list")
    with pytest.raises(InputError) as caught:
        square.get("oval")
    assert caught.value.message == (
        "The shape 'oval' of the package 'hued' fails in 'hued:oval': ModuleNotFoundError: No "
        "module named 'no_such_module'."
    )
    assert caught.value.hint == "Mend the package, or remove it: pip uninstall hued"
    assert list(square) == ["round", "textwrap"]
    assert [line.split("'")[1] for line in caplog.messages] == ["oval", "ring"]
    assert all(line.endswith(" It is left out.") for line in caplog.messages)


def test_a_module_of_ones_own_that_fails_is_left_out_of_no_listing(shapes: Registry[str]) -> None:
    with pytest.raises(RuntimeError, match="imported"):
        list(shapes)


def test_a_mistyped_name_gets_the_nearest(shapes: Registry[str]) -> None:
    with pytest.raises(InputError) as caught:
        shapes.get("Circel")
    assert caught.value.message == "There is no shape 'Circel'."
    assert caught.value.hint == "Did you mean 'circle'? Type: shapes list"


def test_a_strange_name_gets_the_list(shapes: Registry[str]) -> None:
    with pytest.raises(InputError) as caught:
        shapes.get("xyzzy")
    assert caught.value.hint == "Type: shapes list"


def test_a_private_module_is_no_declaration(shapes: Registry[str]) -> None:
    with pytest.raises(InputError, match="There is no shape '_helpers'"):
        shapes.get("_helpers")


def test_a_declaration_of_another_kind_is_refused(shapes: Registry[str]) -> None:
    with pytest.raises(InputError) as caught:
        shapes.get("number")
    assert caught.value.message == "The shape 'number' is a int, not a str."


@pytest.mark.parametrize(("word", "found"), [("irnt", "irnet"), ("IRNET", "irnet"), ("zz", None)])
def test_the_nearest_word(word: str, found: str | None) -> None:
    assert nearest(word, ["irnet", "random_forest"]) == found


def test_a_plug_in_has_the_hash_of_its_package_or_of_its_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "hued"
    package.mkdir()
    for place in (package / "__init__.py", package / "helper.py", tmp_path / "single.py"):
        place.write_text("COLOUR = 'red'\n")
    facts = tmp_path / "hued-2.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: hued\nVersion: 2.0\n")
    (facts / "entry_points.txt").write_text(
        "[colours]\nred = hued.helper:COLOUR\ncrimson = single:COLOUR\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    colours = Registry("colour", str, "colours", "COLOUR", "colours list", built_in={})
    first, alone = colours.plug_in("red"), colours.plug_in("crimson")
    assert first is not None
    assert alone is not None
    assert (first.package, first.version) == ("hued", "2.0")
    assert colours.plug_in("red") == first
    (package / "__init__.py").write_text("COLOUR = 'reddish'\n")
    assert colours.plug_in("red") == first  # that runs here
    registry._code_of.cache_clear()
    changed = colours.plug_in("red")
    assert changed is not None
    assert changed.sha256 != first.sha256
    assert colours.plug_in("crimson") == alone
    (tmp_path / "single.py").write_text("COLOUR = 'dark'\n")
    registry._code_of.cache_clear()
    assert colours.plug_in("crimson") != alone
    assert colours.plug_in("blue") is None
