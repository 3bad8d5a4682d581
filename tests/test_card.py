"""The card of a bundle: what is wrong in it is named, and cards of earlier formats are read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundled import edit, refused, vouched

from fesearch.bundle import open_bundle
from fesearch.bundlefiles import CARD, INTERVALS, MODEL, SEALED
from fesearch.errors import InputError
from fesearch.export import export
from fesearch.holdout import holdout
from fesearch.model import DESCRIPTION


@pytest.fixture
def folder(studies: str, tmp_path: Path) -> Path:
    export("nets", studies, tmp_path / "model")
    return tmp_path / "model"


def test_a_card_from_before_there_were_programs_is_read(folder: Path) -> None:
    def as_before(said: dict[str, Any]) -> dict[str, Any]:
        del said["members"][0]["program"]
        return said

    edit(folder / CARD, as_before)
    assert open_bundle(vouched(folder)).card.members[0].program is None


def with_features(change: dict[str, Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """An edit of the only feature set of the only member of a card."""

    def changed(said: dict[str, Any]) -> dict[str, Any]:
        [member] = said["members"]
        [features] = member["features"]
        return said | {"members": [member | {"features": [features | change]}]}

    return changed


def as_format_4(said: dict[str, Any]) -> dict[str, Any]:
    """A card as it was when it had one score of the validation part, and the MAE's intervals."""
    for part in filter(None, (said["validation"], said["test"])):
        part["interval"] = part.pop("intervals").get("mae")
    del said["validation"]["scores"]
    return said | {"format": 4}


def as_format_3(said: dict[str, Any]) -> dict[str, Any]:
    """A card as it was before the formulas of its test part were known by their hashes."""
    said = as_format_4(said)
    del said["split"]["folds"], said["split"]["sealed"]
    if said["test"]:
        del said["test"]["interval"], said["test"]["coverage"]
    return said | {"format": 3}


def as_format_2(said: dict[str, Any]) -> dict[str, Any]:
    """A card as it was before ensembles and intervals."""
    said = as_format_3(said)
    [member] = said.pop("members")
    del said["refit"], said["intervals"], said["validation"]["interval"]
    kept = {"trained": member["trained"], "features": member["features"]}
    return said | {"format": 2} | kept


def test_features_that_are_not_installed_are_named_with_those_that_are(folder: Path) -> None:
    installed = open_bundle(folder).card.features[0].digest
    edit(folder / CARD, with_features({"digest": "f" * 64}))
    error = refused(vouched(folder))
    assert error.message == (
        "The model reads the features 'magpie' ffffffffffff, "
        f"but those installed are {installed[:12]}."
    )


def test_a_card_of_another_model_is_refused(folder: Path) -> None:
    def widen(said: dict[str, Any]) -> dict[str, Any]:
        [member] = said["members"]
        trained = member["trained"]
        trained |= {"config": trained["config"] | {"width": 0.0625}}
        return said | {"members": [member | {"trained": trained}]}

    edit(folder / CARD, widen)
    assert f"is not the one that {CARD} describes." in refused(vouched(folder)).message


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"format": 6, "new": 1}, "format"),
        ({"format": 1}, "format"),
        ({"members": {}}, "members"),
        ({"members": []}, "members"),
        ({"unit": 3}, "unit"),
        ({"surprise": 1}, "surprise"),
        ({"elements": {"Al": "many"}}, "elements.Al"),
        ({"target_range": [0.0]}, "target_range"),
    ],
)
def test_a_wrong_card_names_its_key(folder: Path, change: dict[str, Any], key: str) -> None:
    edit(folder / CARD, lambda said: said | change)
    error = refused(vouched(folder))
    assert f"In {folder / CARD} '{key}" in error.message
    assert ("version of fesearch" in error.hint) == (key == "format")


@pytest.mark.parametrize(
    "change", [{"name": "magpie+element_grid"}, {"needs": "structure"}, {"name": "columns"}]
)
def test_features_that_are_another_kind_of_set_are_refused(
    folder: Path, change: dict[str, str]
) -> None:
    edit(folder / CARD, with_features(change))
    message = f"In {folder / CARD} 'features' is wrong: these are no such sets."
    assert refused(vouched(folder)).message == message


@pytest.mark.parametrize("columns", [["a"] * 145, ["a"]])
def test_columns_of_another_set_are_refused(folder: Path, columns: list[str]) -> None:
    edit(folder / CARD, with_features({"columns": columns}))
    assert refused(vouched(folder)).message == (
        f"In {folder / CARD} 'features' is wrong: its columns are not those of 'magpie'."
    )


def test_a_card_that_is_no_object_is_none(folder: Path) -> None:
    (folder / CARD).write_text("[]")
    message = refused(vouched(folder)).message
    assert message == f"The file {folder / CARD} is no model card: Input should be an object."


@pytest.mark.parametrize("format", [1, 2])
def test_a_card_of_an_earlier_format_is_read(folder: Path, format: int) -> None:
    """That has one model and no intervals; in the first, one feature set, of formulas unsaid."""
    expected = open_bundle(folder).predict(["AlTi3", "Fe2O3"])

    def as_before(said: dict[str, Any]) -> dict[str, Any]:
        card = as_format_2(said)
        if format == 1:
            [features] = card["features"]
            del features["needs"]
            card |= {"format": 1, "features": features}
        return card

    edit(folder / CARD, as_before)
    assert "is not one that" in refused(vouched(folder)).message  # its intervals are not
    (folder / INTERVALS).unlink()
    assert "is not one that" in refused(vouched(folder)).message  # nor its test formulas
    (folder / SEALED).unlink()
    bundle = open_bundle(vouched(folder))
    np.testing.assert_array_equal(bundle.predict(["AlTi3", "Fe2O3"]), expected)
    assert [(one.name, one.needs) for one in bundle.card.features] == [("magpie", "formula")]
    with pytest.raises(InputError, match="The model has no prediction intervals: an older"):
        bundle.half_width(0.9, None)


def test_a_card_of_format_4_has_the_intervals_of_the_mae(studies: str, tmp_path: Path) -> None:
    holdout("forests", studies)
    now = export("forests", studies, tmp_path / "model")
    edit(tmp_path / "model" / CARD, as_format_4)
    card = open_bundle(vouched(tmp_path / "model")).card
    assert card.test is not None
    assert now.test is not None
    assert (card.validation.scores, card.validation.value) == ({}, now.validation.value)
    assert card.validation.intervals == {"mae": now.validation.intervals["mae"]}
    assert card.test.intervals == {"mae": now.test.intervals["mae"]}


def test_a_card_of_format_3_says_less_of_its_test_part(studies: str, tmp_path: Path) -> None:
    holdout("forests", studies)
    export("forests", studies, tmp_path / "model")
    edit(tmp_path / "model" / CARD, as_format_3)
    (tmp_path / "model" / SEALED).unlink()
    bundle = open_bundle(vouched(tmp_path / "model"))
    assert bundle.card.test is not None
    assert (bundle.card.test.intervals, bundle.card.test.coverage) == ({}, {})
    assert (bundle.card.split.sealed, bundle.sealed) == (None, None)


@pytest.mark.parametrize("content", [b"\x80\x04\xff", b"", b"[" * 100_000, b"[NaN]", b"9" * 5000])
def test_a_card_that_is_no_json_is_refused(folder: Path, content: bytes) -> None:
    (folder / CARD).write_bytes(content)
    assert f"The file {folder / CARD} is not JSON: " in refused(vouched(folder)).message


@pytest.mark.parametrize("name", [CARD, f"{MODEL}/{DESCRIPTION}"])
def test_a_key_that_is_there_twice_is_refused(folder: Path, name: str) -> None:
    """Of two readers one takes the first and one the last of them."""
    text = (folder / name).read_text()
    (folder / name).write_text(text.replace('"family"', '"family": "ridge", "family"', 1))
    message = refused(vouched(folder)).message
    assert message == f"The file {folder / name} is not JSON: the key 'family' is there twice."


def test_a_card_of_any_depth_is_refused(folder: Path) -> None:
    for depth in range(900, 1000, 3):
        (folder / CARD).write_text("[" * depth + "]" * depth)
        assert f"{folder / CARD}" in refused(vouched(folder)).message
