"""The dashboard's pages: what they say, that they trust no name, and that none waits for long."""

import json
import logging
import re
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest
import searched
import sqlalchemy as sa
from test_report import Reader
from test_snapshot import mounts

from fesearch.dashboard import pictures
from fesearch.dashboard.contents import progress, running, varying
from fesearch.dashboard.pages import Pages
from fesearch.holdout import holdout
from fesearch.record import Decision, Fault, Report, TrialResult, TrialSpec, TrialState
from fesearch.store.results import Store
from fesearch.store.schema import LOOKS, REPORTS, STUDIES, TRIALS
from fesearch.store.types import StudyRow, StudyState

HOSTILE = '<script>alert(1)</script> "x" {{ 7*7 }} /../ %2e'


@pytest.fixture
def pages(studies: str) -> Iterator[Pages]:
    made = Pages(studies)
    yield made
    made.close()


def ask(pages: Pages, address: str) -> tuple[int, dict[str, str], str]:
    path, _, query = address.partition("?")
    environ: dict[str, Any] = {"PATH_INFO": path, "QUERY_STRING": query, "wsgi.errors": sys.stderr}
    setup_testing_defaults(environ)
    answers: list[tuple[str, list[tuple[str, str]]]] = []
    body = b"".join(
        pages(environ, lambda status, headers, _=None: answers.append((status, headers)))
    )
    [(status, headers)] = answers
    return int(status.split()[0]), dict(headers), body.decode()


def text(pages: Pages, address: str) -> str:
    """The words of a page, which is whole and has nothing from elsewhere."""
    status, headers, said = ask(pages, address)
    assert status == 200, address
    assert "script-src 'self'" in headers["Content-Security-Policy"]
    page = Reader(said)
    assert page.open == []
    sources = page.attributes("script", "src") + page.attributes("a", "href")
    assert all(one.startswith(("/", "#")) for one in sources)
    return " ".join(" ".join(page.words).split())


def count_calls(patch: pytest.MonkeyPatch, owner: type, name: str) -> list[Any]:
    """What a method is called with from now on."""
    before, calls = getattr(owner, name), list[Any]()

    def counted(*given: Any) -> Any:
        calls.append(given)
        return before(*given)

    patch.setattr(owner, name, counted)
    return calls


def number(url: str, name: str) -> int:
    with Store.look(url) as store:
        return store.study(name).id


def test_the_first_page_ranks_everything(pages: Pages) -> None:
    said = text(pages, "/")
    assert said.count("validation MAE (eV/atom)") == 4  # two divisions, and intervals
    assert said.index("forests") < said.index("nets")
    assert "No study is running now." in said
    assert "All 3, the newest first" in said


def test_a_study_says_what_it_is_and_why_trials_failed(pages: Pages, studies: str) -> None:
    said = text(pages, f"/studies/{number(studies, 'forests')}")
    assert "3 of 2 trials have ended; all by state: 2 COMPLETE , 1 FAIL ." in said
    assert "Trial 2 : MemoryError: no message" in said
    assert 'family = "random_forest"' in said
    assert "fesearch report forests --to report.html" in said


def test_one_trial_with_its_curve_and_log(pages: Pages, studies: str) -> None:
    said = text(pages, f"/studies/{number(studies, 'nets')}/trials/1")
    assert "learning_rate 0.0001" in said
    assert "what happened" in said
    assert "Reports epochs validation MAE (eV/atom)" in said


def test_a_log_from_outside_the_artifacts_is_not_shown(
    pages: Pages, studies: str, tmp_path: Path
) -> None:
    with Store.open(studies) as store:
        row = store.study("nets")
        log = tmp_path / "searched" / "artifacts" / "studies" / row.definition["folder"]
        inside = next(log.rglob("*.log"), None) or next(log.rglob("log*"))
        outside = tmp_path / "searched" / "secret" / inside.relative_to(log)
        outside.parent.mkdir(parents=True)
        outside.write_text("secret words")
        definition = {**row.definition, "folder": "../../secret"}
        with store.write() as connection:
            connection.execute(
                sa.update(STUDIES).where(STUDIES.c.id == row.id).values(definition=definition)
            )
    number_of = outside.parent.name.lstrip("trial-").lstrip("0") or "0"
    assert "secret words" not in text(pages, f"/studies/{row.id}/trials/{number_of}")


def many(url: str, count: int) -> StudyRow:
    """``nets`` with so many further trials, each the copy of its first."""
    with Store.open(url) as store:
        row = store.study("nets")
        with store.write() as connection:
            first = connection.execute(sa.select(TRIALS).where(TRIALS.c.study_id == row.id)).first()
            assert first is not None
            rows = [{**first._mapping, "id": None, "number": 10 + n} for n in range(count)]
            for one in rows:
                del one["id"]
            connection.execute(sa.insert(TRIALS), rows)
    return row


def test_thousands_of_trials_come_in_pages(pages: Pages, studies: str) -> None:
    row = many(studies, 4998)
    said = text(pages, f"/studies/{row.id}/trials?page=100")
    assert "Page 100 of 100" in said
    assert "5007" in said
    assert "4957" not in said
    first = text(pages, f"/studies/{row.id}/trials?order=best&state=COMPLETE")
    assert "all 5,000" in first
    _, _, html = ask(pages, f"/studies/{row.id}/trials?order=best&state=COMPLETE")
    assert f"/studies/{row.id}/trials?page=2&amp;state=COMPLETE&amp;order=best" in html
    numbers = [int(one) for one in re.findall(r'/trials/(\d+)">', html)]
    assert numbers[0] == 0  # the best; trial 1 is worse than all its copies
    assert 1 not in numbers


@pytest.mark.parametrize(
    "address",
    ["/studies/99", "/studies/99999999999999", "/studies/1/trials/77", "/studies/1/trials?page=0",
     "/studies/1/trials?page=x", "/studies/1/trials?state=GONE", "/nothing", "/rankings/0",
     "/studies/1/pictures/nothing", "/studies/1/pictures/%2e%2e", "/../live.js"],
)  # fmt: skip
def test_what_is_not_there_is_said_on_a_page(pages: Pages, address: str) -> None:
    status, headers, said = ask(pages, address)
    assert status == 404
    assert "Content-Security-Policy" in headers
    assert Reader(said).open == []
    assert "To the first page" in said


def test_a_running_study_is_seen_live(
    pages: Pages, studies: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.open(studies) as store:
        lease = store.acquire(store.study("nets"))
        store.set_state(lease, StudyState.RUNNING)
        spec = TrialSpec(7, "irnet", {"depth": 4}, 1, (1, 2))
        store.begin_trial(lease, spec, "epochs")
        now = Report(0, 1, float("inf"), 0.001, 1, 2.0, 10)
        store.report(lease, 7, now, Decision.CONTINUE)
        home = text(pages, "/")
        assert "nets RUNNING irnet, alloys: h_form 2 of 2 trials ended, 1 running" in home
        place = f"/studies/{lease.study.id}"
        said = text(pages, place)
        assert "Running trials" in said
        assert "Interrupted trials" not in said
        assert "depth=4" in said
        _, _, html = ask(pages, place)
        assert f'data-renew="{place}/live"' in html
        assert '<noscript><meta http-equiv="refresh"' in html
        assert "0.001 2 depth=4" in text(pages, f"{place}/live")
        with monkeypatch.context() as patch:
            asked = count_calls(patch, Store, "driven")
            assert [one["state"] for one in running(studies)] == ["RUNNING"]
        assert len(asked) == 1
        assert "inf" in text(pages, f"{place}/trials/7")
        ended = TrialResult(
            7, "irnet", {"depth": 4}, 1, TrialState.FAIL, fault=Fault.DIVERGED, reason="diverged: ∞"
        )
        store.finish_trial(lease, ended)
        store.begin_trial(lease, replace(spec, number=8), "epochs")
        store.release(lease)
    said = text(pages, place)
    assert "KILLED" in said
    assert "fesearch study resume nets" in said
    assert "diverged: ∞" in said
    assert "Interrupted trials, which go on with the study" in said


def test_studies_that_differ_in_their_training_rows_have_a_learning_curve(
    pages: Pages, studies: str
) -> None:
    assert "Across divisions" not in text(pages, "/")
    for count in (20, 30):
        split = f"random:seed=0,train={count}"
        searched.search(
            studies, f"of-{count}", "random_forest", [searched.SMALL_FOREST], split=split
        )
    searched.search(
        studies, "another", "random_forest", [searched.SMALL_FOREST], split="random:seed=5,train=20"
    )
    inner = "random:seed=0,train=20,folds=2"  # is scored on rows of its own
    searched.search(studies, "inner", "random_forest", [searched.SMALL_FOREST], split=inner)
    home = ask(pages, "/")[2]
    places = re.findall(r'href="(/series/[0-9a-f]+/pictures/learning_curve)"', home)
    assert len(places) == 1, "studies on other divisions are not of it"
    assert "Learning curve : alloys: h_form, random:" in text(pages, "/")
    assert ", 4 studies" in text(pages, "/")
    _, _, page = ask(pages, places[0])
    assert page.count("<svg") == 2  # each family, and one against the other
    assert 'href="/"' in page
    assert text(pages, f"{places[0]}?part=1").startswith("The MAE of the best trial of each study")
    assert ask(pages, "/series/0123456789abcdef/pictures/learning_curve")[0] == 404
    assert ask(pages, places[0].replace("learning_curve", "parity"))[0] == 404


def test_no_name_is_trusted(pages: Pages, studies: str, monkeypatch: pytest.MonkeyPatch) -> None:
    holdout("forests", studies)
    with Store.open(studies) as store, store.write() as connection:
        one = sa.update(STUDIES).where(STUDIES.c.name == "nets")
        connection.execute(one.values(name=HOSTILE))
        connection.execute(sa.update(TRIALS).values(reason=sa.case((sa.true(), HOSTILE))))
        how = {"trained": "ensemble", "picks": {f"{HOSTILE}:0": 3}}
        connection.execute(sa.update(LOOKS).values(study="forests", how=how))
    for address in ("/", *re.findall(r'href="(/rankings/[0-9a-f]+)"', ask(pages, "/")[2])[:1]):
        assert f"{HOSTILE}:0 ×3" in text(pages, address)
    place = f"/studies/{number(studies, HOSTILE)}"
    for address in ("/", place, f"{place}/trials", f"{place}/trials/0", f"{place}/pictures/rungs"):
        _, _, html = ask(pages, address)
        assert "<script>alert" not in html
        assert HOSTILE in text(pages, address)


def test_pictures_are_made_once_and_again_when_something_happens(
    pages: Pages, studies: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    sections = pictures.sections

    def counted(analysis: Any, *given: Any) -> Any:
        made.append(analysis.name)
        return sections(analysis, *given)

    monkeypatch.setattr(pictures, "sections", counted)
    place = f"/studies/{number(studies, 'nets')}/pictures/rungs"
    assert "Time by end: nets" in text(pages, place)
    status, _, part = ask(pages, f"{place}?part=1")
    assert (status, made) == (200, ["rungs"])
    assert "<html" not in part
    assert 'role="img"' in part
    searched.fail(studies, "nets")
    text(pages, place)
    assert made == ["rungs"]  # within a minute
    monkeypatch.setattr(pictures, "FRESH_SECONDS", 0.0)
    assert "FAIL" in text(pages, place)
    text(pages, place)
    assert made == ["rungs", "rungs"]


def test_a_slow_picture_holds_no_page(
    pages: Pages, studies: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()

    def slow(*given: Any) -> Any:
        go_on.wait(20)
        raise RuntimeError("<b>no</b>")

    monkeypatch.setattr(pictures, "sections", slow)
    monkeypatch.setattr(pictures.Pictures.get, "__defaults__", (0.05,))
    place = f"/studies/{number(studies, 'nets')}/pictures/parity"
    status, _, said = ask(pages, place)
    assert (status, "It is being made" in said) == (202, True)
    assert 'http-equiv="refresh"' in said
    assert "Rankings" in text(pages, "/")
    go_on.set()
    monkeypatch.setattr(pictures.Pictures.get, "__defaults__", (20.0,))
    assert "It failed: RuntimeError: <b>no</b>" in text(pages, place)


def test_a_ranking_has_a_page_with_pictures_of_its_best(pages: Pages) -> None:
    _, _, html = ask(pages, "/")
    [first, *_] = re.findall(r'href="(/rankings/[0-9a-f]+)"', html)
    assert "Pictures are of the 2 best studies: forests, nets." in text(pages, first)
    said = text(pages, f"{first}/pictures/rungs")
    assert "Time by end: nets" in said
    assert "Time by end: forests" in said


def test_a_snapshot_is_shown_while_another_host_has_the_database(
    pages: Pages,
    studies: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    mounts(tmp_path / "mounts", monkeypatch, f"server:/home {tmp_path}/searched nfs4")
    driver = socket.gethostname()
    with Store.open(studies) as store:
        lease = store.acquire(store.study("nets"))
        store.publish()
        searched_later = sa.update(STUDIES).where(STUDIES.c.name == "elsewhere")
        with store.write() as connection:
            connection.execute(searched_later.values(name="later"))
        monkeypatch.setattr(socket, "gethostname", lambda: "node2")
        with caplog.at_level(logging.WARNING):
            said = text(pages, "/")
            text(pages, "/")
        assert f"from fesearch.snapshot.db: {driver} has the database." in said
        assert "elsewhere" in said
        assert len(caplog.messages) == 1  # not for each page
        store.publish()
        assert "later" in text(pages, "/")
        monkeypatch.setattr(socket, "gethostname", lambda: driver)
        store.release(lease)


def test_what_all_configs_have_alike_is_left_out() -> None:
    assert varying([{"a": 1, "b": 2}, {"a": 1, "b": 3}]) == [{"b": 2}, {"b": 3}]
    assert varying([{"a": 1}, {"a": 1, "b": None}]) == [{}, {"b": None}]
    assert varying([{"a": 1}]) == [{"a": 1}]
    assert varying([]) == []


def test_the_board_for_ray_can_be_imported() -> None:
    board = json.loads((Path(__file__).parents[1] / "dashboards" / "ray.json").read_text())
    assert board["id"] is None  # Grafana gives one
    assert board["schemaVersion"] >= 36  # whose panels name their data source by type and uid
    assert {one["type"] for one in board["panels"]} <= {"stat", "timeseries"}
    assert {one["datasource"]["type"] for one in board["panels"]} == {"prometheus"}
    variables = {one["name"]: one for one in board["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    places = [tuple(one["gridPos"].values()) for one in board["panels"]]
    assert len(set(places)) == len(places)
    assert len({one["id"] for one in board["panels"]}) == len(places)
    import ray

    known = "".join(
        path.read_text()
        for path in (Path(ray.__file__).parent / "dashboard" / "modules").rglob("*.py")
    )
    for panel in board["panels"]:
        assert panel["datasource"]["uid"] == "${datasource}"
        for target in panel["targets"]:
            names = re.findall(r"\bray_[a-z_]+", target["expr"])
            assert names
            for name in names:
                assert name in known or f'"{name.removeprefix("ray_")}"' in known, name
            assert set(re.findall(r"\$([a-z]+)", target["expr"])) <= set(variables)


def test_a_trial_that_came_to_its_end_was_not_stopped_at_the_rung_there(studies: str) -> None:
    with Store.open(studies) as store:
        row = store.study("nets")
        with store.write() as connection:
            last = REPORTS.c.resource == 3
            connection.execute(sa.update(REPORTS).where(last).values(decision=Decision.STOP))
    rungs = progress(studies, row.id)["rungs"]
    assert rungs.columns[0].heading == "rung (epochs)"
    assert list(rungs["trials seen"]) == [2, 2]
    assert list(rungs["stopped there"]) == [0, 0]
    with Store.open(studies) as store, store.write() as connection:
        one = (TRIALS.c.study_id == row.id) & (TRIALS.c.number == 0)
        connection.execute(sa.update(TRIALS).where(one).values(state=TrialState.PRUNED))
    assert list(progress(studies, row.id)["rungs"]["stopped there"]) == [0, 1]
