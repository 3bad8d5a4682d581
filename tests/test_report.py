"""The report: what it says first, that it is whole by itself, and that it trusts no name."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import searched

from fesearch import toml
from fesearch.analysis import ANALYSES, Finding, Settings, Table
from fesearch.cli.app import run
from fesearch.errors import InputError, NoResultError, StudyNotFoundError
from fesearch.holdout import holdout
from fesearch.joint import holdout_ensemble
from fesearch.overviews import Ranking
from fesearch.ranking.columns import ENSEMBLES
from fesearch.report import Report, collect, contents, render, sections, write, write_figures
from fesearch.report.rankings import ranking
from fesearch.report.templates import cell
from fesearch.store.results import Store
from fesearch.store.types import Look
from fesearch.subject import Subject

HOSTILE = '<script>alert(1)</script> "x" {{ 7*7 }}'


class Reader(HTMLParser):
    """What is in a page: tags with their attributes, and whether all are closed."""

    EMPTY = frozenset({"meta", "link", "path", "use", "rect", "image", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.EMPTY:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def attributes(self, tag: str, name: str) -> list[str]:
        return [given[name] or "" for one, given in self.tags if one == tag and name in given]


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Permutation importance on two rows, once."""
    monkeypatch.setattr("fesearch.report.sections.ROWS", 2)
    monkeypatch.setattr("fesearch.report.sections.REPEATS", 1)


def test_a_page_answers_first_and_needs_nothing_else(
    studies: str, tmp_path: Path, fast: None
) -> None:
    report = collect(["forests", "nets", "elsewhere"], studies)
    names = [section.analysis.name for section in report.sections]
    assert names[:3] == ["parity", "errors", "target_bins"]
    assert set(names) >= {"elements", "permutation", "training_curves", "rungs"}
    skipped = {one.analysis.name: one.why for one in report.skipped}
    assert "which leaves no element out" in skipped["leave_element"]
    alone = [(one.analysis.name, one.hint) for one in report.skipped]
    assert len(alone) == len(set(alone)), "a hint is given twice"
    assert skipped["element_map"].count(" has no weights that belong to elements.") > 1
    assert set(names) | set(skipped) == set(ANALYSES.names())
    page = Reader(render(report))
    assert page.open == []
    text = " ".join(" ".join(page.words).split())
    best = report.best.trial
    assert text.index("Which model predicts h_form of alloys best?") < text.index(
        f"{cell(best.value)} eV/atom"
    )
    assert f"trial {best.number} of the study {best.study}" in text
    assert "Its test part is sealed" in text
    assert "of 5 trials (1 failed) in 2 studies on its division" in text
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "iframe", "object", "form"}
    for tag, name in (("link", "href"), ("image", "xlink:href"), ("img", "src")):
        assert all(value.startswith("data:") for value in page.attributes(tag, name))
    assert all(value.startswith("#") for value in page.attributes("a", "href"))
    ids = [value for tag in tags for value in page.attributes(tag, "id")]
    assert len(ids) == len(set(ids))
    assert {value[1:] for value in page.attributes("a", "href")} <= set(ids)
    pictures = [given for tag, given in page.tags if tag == "svg"]
    assert len(pictures) == sum(len(section.panels) for section in report.sections)
    assert all(given["role"] == "img" and given["aria-label"] for given in pictures)
    for one in report.studies.values():
        for known in (one.row.key.data, one.row.key.split, one.row.features):
            assert known in text
        settings = toml.dumps(one.row.definition["study"])
        assert all(line in "".join(page.words) for line in settings.splitlines())
    assert "fesearch report forests nets elsewhere --to report.html" in text
    write(report, tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size < 2_000_000
    files = write_figures(report, tmp_path / "figures")
    assert sorted(files) == sorted((tmp_path / "figures").iterdir())
    assert {path.name for path in files} == {f"{n}{s}" for n in names for s in (".png", ".svg")}


def test_an_analysis_that_refuses_one_is_made_once_of_the_others(
    studies: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def find(subjects: Sequence[Subject], settings: Settings) -> Finding:
        asked.append((len(subjects), settings.rows))
        if any(one.name == "nets" for one in subjects):
            raise InputError("Not this one.", "Take another.")
        return Finding(Table.of([], "a"), Table.of([], "a"), "")

    one = replace(ANALYSES.get("permutation"), find=find, panels=lambda finding: [])
    monkeypatch.setattr(contents, "ANALYSES", [one])
    report = collect(["forests", "nets"], studies)
    assert [missing.why for missing in report.skipped] == ["Not this one."]
    assert asked == [(2, sections.ROWS), (1, 2), (1, 2), (1, sections.ROWS)]


def test_a_look_at_the_test_part_is_told(studies: str, fast: None) -> None:
    (scored,) = holdout("forests", studies).scored
    text = " ".join(" ".join(Reader(render(collect(["forests"], studies))).words).split())
    assert f"On the test part, with a look on record, it is {cell(scored.look.value)}" in text
    assert "looks at the test part: 1" in text
    assert "sealed" not in text


def test_a_score_of_the_best_config_trained_again_is_told(studies: str, fast: None) -> None:
    scores = [one.look.scores["mae"] for one in holdout("forests", studies, seeds=2).scored]
    said = f"{np.mean(scores):.4g} ± {np.std(scores, ddof=1):.2g}"
    text = words_of(collect(["forests"], studies))
    assert f"its config, trained again, has {said} eV/atom on the test part" in text
    assert "Its test part is sealed" not in text


def test_ensembles_are_told_with_their_picks(studies: str, fast: None) -> None:
    holdout("forests", studies)
    look = holdout_ensemble(["nets", "forests"], studies, 4).scored[0].look
    report = collect(["forests", "nets"], studies)
    text = words_of(report)
    picks = ", ".join(f"{name} ×{count}" for name, count in picks_of(look))
    assert ENSEMBLES in text
    assert f"The best ensemble, of {picks}, has {cell(look.value)} eV/atom on the test part" in text
    (table,) = [one["table"] for one in map(ranking, report.tables)]
    *_, last = table.rows()
    assert (last["#"], last["family"], last["config"]) == (None, "ensemble", picks)
    assert last["test MAE"] == look.value
    assert all(
        last[f"{part} {metric}"] is not None
        for part in ("validation", "test")
        for metric in ("MAE", "RMSE", "R²", "90th percentile of |error|")
    )
    assert last["predicts a row in"] is not None
    shown = Ranking(report.tables)
    assert repr(shown).endswith(f" {report.tables[0].summary.unit}, 1 ensemble>")
    assert f"<td>{picks}</td>" in shown._repr_html_()
    alone = words_of(collect(["forests"], studies))
    assert ENSEMBLES not in alone
    assert "The best ensemble" not in alone
    holdout_ensemble(["forests"], studies, 1)
    of_one = words_of(collect(["forests"], studies))
    assert ENSEMBLES in of_one
    assert "The best ensemble" not in of_one


def picks_of(look: Look) -> list[tuple[str, int]]:
    return sorted(look.how.picks.items(), key=lambda pick: -pick[1])


def words_of(report: Report) -> str:
    return " ".join(" ".join(Reader(render(report)).words).split())


def test_rankings_have_what_the_command_prints(studies: str) -> None:
    holdout("forests", studies)
    (table, *_) = collect(["forests"], studies).tables
    shown = ranking(table)["table"]
    (entry,) = table.entries
    assert entry.look is not None
    for name, metric in (("rmse", "RMSE"), ("r2", "R²"), ("p90", "90th percentile of |error|")):
        assert shown[f"test {metric}"] == [entry.look.scores[name]]
        assert shown[f"validation {metric}"] == [entry.trial.scores[name]]
    assert entry.look.how.latency is not None
    assert shown["predicts a row in"] == [pytest.approx(entry.look.how.latency * 1e6)]
    assert shown["config"] == [entry.trial.config]


def test_scores_over_repeated_divisions_are_told(studies: str, fast: None) -> None:
    for member in (0, 1):
        split, name = f"kfold:k=2,member={member}", f"fold{member}"
        searched.search(studies, name, "random_forest", [searched.SMALL_FOREST], split=split)
        holdout(name, studies)
    holdout("fold0", studies, over="members")
    report = collect(["fold0", "fold1"], studies)
    (table,) = report.repeated
    best = table.contenders[0]
    text = words_of(report)
    names = ", ".join(dict.fromkeys(name for name, _ in best.trials))
    score = f"{best.test['mae'].mean:.4g} ± {best.test['mae'].sd:.2g} eV/atom"
    said = f"Over 2 divisions, the best is random_forest ({names}): {score} on their test parts"
    assert said in text
    assert ("which flatters" in text) is (best.flattered > 0)
    assert "Over repeated divisions" in text
    assert f"2 divisions; looks at their test parts: {table.looks}" in text
    assert '<table class="many">' in render(report)  # small enough for a sheet of paper
    shown = ranking(table)["table"]
    assert {"test RMSE", "test R²", "parameters", "predicts a row in"} <= {
        column.name for column in shown.columns
    }
    assert "GPU" not in {column.name for column in shown.columns}
    efforts = tuple(replace(one, gpu_seconds=3600.0) for one in best.efforts)
    on_gpus = replace(table, contenders=(replace(best, efforts=efforts),))
    assert ranking(on_gpus)["table"]["GPU"] == [float(len(efforts))]
    assert "Over 2 divisions" not in words_of(collect(["nets"], studies))


def test_no_name_is_trusted(studies: str, fast: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fesearch.study.checked_name", lambda kind, name: name)
    searched.search(studies, HOSTILE, "random_forest", [searched.SMALL_FOREST])
    holdout_ensemble([HOSTILE, "forests"], studies, 4)
    page = Reader(text := render(collect([HOSTILE, "forests"], studies)))
    assert f"{HOSTILE}:0 ×" in " ".join(page.words)
    assert page.open == []
    assert "<script" not in text
    assert HOSTILE in " ".join(" ".join(page.words).split())
    assert "49" not in re.findall(r"study (.*?) best", text)
    (style,) = re.findall(r"default-src 'none'; style-src 'unsafe-inline'; img-src data:", text)
    assert style


def test_only_what_can_be_shown_is_asked_for(studies: str) -> None:
    searched.search(studies, "none", "random_forest", [])
    with pytest.raises(NoResultError):
        collect(["none"], studies)
    with pytest.raises(StudyNotFoundError):
        collect(["nobody"], studies)
    with pytest.raises(InputError, match="'nets' is named twice"):
        collect(["nets", "forests", "nets"], studies)
    with pytest.raises(InputError, match="No study is named"):
        collect([], studies)


def test_models_that_cannot_be_analysed_hide_no_others(
    studies: str, fast: None, tmp_path: Path
) -> None:
    with Store.open(studies) as store:
        row = store.study("nets")
    from fesearch.search.folder import model_folder

    for folder in (model_folder(row, number) for number in (0, 1)):
        (folder / "model.safetensors").write_bytes(b"damaged")
    report = collect(["forests", "nets"], studies)
    parity = next(one for one in report.sections if one.analysis.name == "parity")
    assert [label.split()[0] for label in parity.finding.summary["model"]] == ["forests"]
    assert any(
        one.analysis.name == "parity" and "is not a safetensors file" in one.why
        for one in report.skipped
    )


def test_where_a_picture_is_missing_it_is_said_what_brings_it(studies: str, fast: None) -> None:
    report = collect(["forests"], studies)
    missing = {one.analysis.name: one for one in report.skipped}
    assert set(missing) >= {"element_map", "hyperparameters", "learning_curve", "leave_element"}
    page = render(report)
    text = " ".join(" ".join(Reader(page).words).split())
    for name, one in missing.items():
        place = page.index(f'<section id="{name}"')
        assert f'<a href="#{name}">' in page
        assert "There is no picture here" in page[place : page.index("</section>", place)]
        assert f"There is no picture here: {one.why} {one.hint}" in text
    assert "fesearch study extend forests --trials +20" in missing["hyperparameters"].hint
    assert "--split random:train=$n" in missing["learning_curve"].hint
    assert "Left out" not in text


def test_a_study_that_stops_nothing_early_has_no_rungs_to_draw(studies: str, fast: None) -> None:
    configs = [searched.SMALL_FOREST, {**searched.SMALL_FOREST, "max_depth": 2}]
    searched.search(studies, "patient", "random_forest", configs, pruner="none")
    text = words_of(collect(["patient"], studies))
    assert (
        "There is no picture here: 'patient' stops no trial early, and so has no rungs. "
        "Search with --pruner asha." in text
    )


def test_the_command_writes_the_page_and_says_what_is_left_out(
    studies: str, tmp_path: Path, fast: None, capsys: pytest.CaptureFixture[str]
) -> None:
    to = tmp_path / "report.html"
    assert run(["report", "forests", "--to", str(to), "--format", "json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["size"] == to.stat().st_size
    assert said["best"].startswith("forests trial ")
    assert any(line.startswith("element_map: ") for line in said["left_out"])
    assert run(["report", "forests", "--to", str(to)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert set(said["left_out"]) <= {line[len("left out") :].strip() for line in lines}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--to", "report.pdf"], "is to be a file that ends in .html."),
        (["--to", "report.html", "--figures", "."], "exists already and is not an empty folder."),
    ],
)
def test_what_cannot_be_written_is_refused_before_the_work(
    words: list[str],
    said: str,
    studies: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fesearch.report.collect", None)
    assert run(["report", "nets", *words]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        ("", "–"),
        (True, "yes"),
        (-1234, "−1,234"),
        (-0.04567891, "−0.04568"),
        (123456.7, "123k"),
        ({"depth": 3, "norm": None}, "depth=3, norm=none"),
    ],
)
def test_numbers_are_written_for_people(value: object, shown: str) -> None:
    assert cell(value) == shown
