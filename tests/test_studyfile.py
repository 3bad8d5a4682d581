"""Study files and flags: what they mean, and what is refused before anything is looked up."""

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fesearch import toml
from fesearch.errors import InputError
from fesearch.family import FAMILIES
from fesearch.portfolio import MOST, of_keys
from fesearch.space import Choice, Config, Float, Int, When
from fesearch.study import Study, from_keys
from fesearch.studyfile import load, read, shipped


def refused(source: str, *sets: str, **flags: Any) -> InputError:
    """The error that a study is refused with."""
    with pytest.raises(InputError) as caught:
        load(source, flags, sets)
    for line in (caught.value.message, caught.value.hint):
        assert line.strip()
        assert "\n" not in line
    return caught.value


def test_a_family_alone_is_a_study_of_defaults() -> None:
    assert load("irnet", sets=("trials=3",)) == Study(
        name="irnet", family="irnet", data="miedema", trials=3
    )


@pytest.mark.parametrize("name", shipped())
def test_every_study_that_comes_with_the_package_is_sound(name: str) -> None:
    keys = read(name)
    many = "families" in keys
    studies = of_keys(keys, name).studies.values() if many else [load(name)]
    for study in studies:
        assert study.name == f"{name}-{study.family}" if many else name
        study.search_space().check(study.search_space().nearest(study.declared_family().best))


def test_families_share_the_budget_that_is_typed(tmp_path: Path) -> None:
    made = of_keys(read("all_families", {"trials": 200}), "all_families")
    assert (made.trials, made.seconds) == (200, None)
    made = of_keys(read("all_families", {"trials": 200, "time_limit": "1h"}), "all_families")
    assert (made.trials, made.seconds) == (None, 3600)
    assert read("all_families", {"seed": 1})["time_limit"] == "2h"
    file = tmp_path / "mine.toml"
    file.write_text('families = ["ridge", "lasso"]\ntrials = 90\n')
    made = of_keys(read(str(file), {"time_limit": "1h"}), "mine")
    assert made.studies["ridge"].trials == MOST
    file.write_text('family = "ridge"\ntrials = 90\n')
    assert read(str(file), {"time_limit": "1h"})["trials"] == 90


def test_all_families_lets_every_kind_of_model_compete() -> None:
    families = set(of_keys(read("all_families"), "all_families").families)
    assert families >= {"irnet", "dnn", "rnn", "cnn", "attention", "random_forest", "xgboost"}


def test_flags_stand_over_the_file_and_set_over_flags(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('family = "irnet"\ntrials = 5\nseed = 1\n[space]\ndepth = [3, 5]\n')
    study = load(
        str(file), {"trials": 7, "seed": None}, ("space.depth=9", "space.width=0.5", "keep=2")
    )
    assert (study.name, study.trials, study.seed, study.keep) == ("mine", 7, 1, 2)
    assert domain_of(study, "depth") == Choice((9,))
    assert domain_of(study, "width") == Choice((0.5,))


def domain_of(study: Study, parameter: str) -> object:
    """The values of a parameter, whenever it exists."""
    entry = study.search_space().parameters[parameter]
    return entry.domain if isinstance(entry, When) else entry


@pytest.mark.parametrize(
    ("text", "name", "domain"),
    [
        ("space.depth={low=3, high=9, step=2}", "depth", Int(3, 9, 2)),
        (
            "space.learning_rate={low=1e-4, high=0.1, log=true}",
            "learning_rate",
            Float(1e-4, 0.1, log=True),
        ),
        ("space.optimizer=adam", "optimizer", Choice(("adam",))),
        ('space.optimizer=["adam", "sgd"]', "optimizer", Choice(("adam", "sgd"))),
        ("space.norm=none", "norm", Choice((None,))),
    ],
)
def test_set_writes_values_lists_and_ranges(text: str, name: str, domain: object) -> None:
    assert domain_of(load("irnet", sets=(text,)), name) == domain


@pytest.mark.parametrize(
    ("source", "message", "hint"),
    [
        ("irnt", "There is no study file or model family 'irnt'.", "Did you mean 'irnet'?"),
        ("none.toml", "The study file 'none.toml' cannot be read: No such file or directory.", ""),
        ("no/such", "The study file 'no/such' cannot be read: No such file or directory.", ""),
    ],
)
def test_a_source_that_is_not_there(source: str, message: str, hint: str) -> None:
    error = refused(source)
    assert error.message == message
    assert error.hint.startswith(hint)


@pytest.mark.parametrize("content", [b"trials = \n", b"\xff\xfe", b"a = 1\na = 2\n"])
def test_a_file_that_is_not_toml(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_bytes(content)
    error = refused(f"{tmp_path}/bad.toml")
    assert error.message.startswith(f"The study file '{tmp_path}/bad.toml' is not TOML: ")


def test_an_unknown_key_is_named_with_the_nearest(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('family = "irnet"\ntrails = 5\n')
    error = refused(str(file))
    assert error.message == f"The study '{file}' has an unknown key 'trails'."
    assert error.hint.startswith("Did you mean 'trials'? There are: name, family, data, ")


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("trials = 5\n")
    error = refused(str(file))
    assert error.message == f"The study '{file}' has no family."


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("trials=0", "trials = 0", "Input should be greater than or equal to 1."),
        ("trials=3.5", "trials = 3.5", "Input should be a valid integer."),
        ("trials=true", "trials = True", "Input should be a valid integer."),
        ("trials='3'", "trials = '3'", "Input should be a valid integer."),
        ("seed=-1", "seed = -1", "Input should be greater than or equal to 0."),
        (f"seed={2**63}", f"seed = {2**63}", f"Input should be less than {2**63}."),
        ("reduction_factor=1", "reduction_factor = 1", "Input should be greater than or equal to"),
        (
            f"trials={2**31}",
            f"trials = {2**31}",
            f"Input should be less than or equal to {2**31 - 1}",
        ),
        (
            "max_epochs=1000001",
            "max_epochs = 1000001",
            "Input should be less than or equal to 1000000",
        ),
        ("gpus_per_trial=inf", "gpus_per_trial = inf", "Input should be a finite number."),
        ("gpus_per_trial=nan", "gpus_per_trial = nan", "Input should be a finite number."),
        ("gpus_per_trial=0", "gpus_per_trial = 0", "Input should be greater than 0."),
        ("space=3", "space = 3", "Input should be a valid dictionary."),
        ("sampler=tpee", "sampler = 'tpee'", "Did you mean 'tpe'? Input should be 'auto', "),
        ("pruner=asho", "pruner = 'asho'", "Did you mean 'asha'? Input should be 'asha', "),
    ],
)
def test_a_value_of_the_wrong_kind(text: str, message: str, hint: str) -> None:
    error = refused("smoke", text)
    assert error.message == f"The study 'smoke' has {message}."
    assert error.hint.startswith(hint)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("family=irnt", "There is no family 'irnt'.", "Did you mean 'irnet'? Type: "),
        ("preset=ful", "There is no preset 'ful'.", "Did you mean 'full'? Type: --preset "),
        ("metric=maee", "There is no metric 'maee'.", "Did you mean 'mae'? Type: --metric "),
        ("split=randm", "There is no kind of split 'randm'.", "Did you mean 'random'? Type: "),
        ("space.dpth=3", "There is no parameter 'dpth' in this space.", "Did you mean 'depth'? "),
        ("space.depth=99", "'depth' is 99, outside its space.", "Give one of: 3 … 48."),
        ("space.depth=[3,2]", "'depth' is 2, outside its space.", "Give one of: 3 … 48."),
        ("space.depth={low=3,high=50}", "'depth' is 49, outside its space.", "Give one of: 3 "),
        ("space.depth=[]", "'depth': A list of choices is empty.", "Give at least one value."),
        ("space.depth={low=3,high=1000000000}", "'depth' is 1000000000, outside its space.", ""),
        ("space.depth={low=3,high=9,step='a'}", "'depth': A range has step 'a'.", ""),
        ("space.depth=none", "'depth' is None, outside its space.", "Give one of: 3 … 48."),
        ("time_limit='30'", "The time limit is '30'.", "Write it as 90s, 30m, 2h or 1h30m."),
        ("time_limit=0s", "The time limit is '0s'.", "Give more than no time."),
        ("track=['mlflow','mlflow']", "track has 'mlflow' twice.", "Name it once."),
        ("objectives=['seconds','seconds']", "objectives has 'seconds' twice.", "Name it once."),
        ("grace=100", "grace is 100, but trials end at 27 epochs, in steps of 1.", "Give a mult"),
        ("first=[{depth=99}]", "first: 'depth' is 99, outside its space.", "Give one of: 3, "),
        ("first=[{dpth=3}]", "first: There is no parameter 'dpth' in this space.", "Did you mean"),
        ("first=[{depth=[3]}]", "first: 'depth' is [3], outside its space.", "Give one of: 3, "),
        ("first=[{norm={a=1}}]", "first: 'norm' is {'a': 1}, outside its space.", "Give one of"),
        (f"first=[{{depth={10**400}}}]", "first: 'depth' is beyond 9007199254740992.", "Give a"),
        ("trials", "--set got 'trials'.", "Write --set KEY=VALUE, as in space.depth=48."),
        ("=3", "--set got '=3'.", "Write --set KEY=VALUE, as in space.depth=48."),
        ("trials.x=3", "--set got 'trials.x=3', but 'trials' has no keys.", "Write trials=…"),
    ],
)
def test_what_a_key_cannot_be(text: str, message: str, hint: str) -> None:
    error = refused("smoke", text)
    assert error.message == message
    assert error.hint.startswith(hint)


@pytest.mark.parametrize(
    ("source", "flags", "message", "hint"),
    [
        (
            "random_forest",
            {"max_epochs": 5},
            "max_epochs is 5, but random_forest counts trees.",
            "Leave max_epochs out; see fesearch families show random_forest.",
        ),
        (
            "random_forest",
            {"gpus": 2},
            "2 GPUs are asked for, but random_forest does not use them.",
            "Leave --gpus out.",
        ),
        (
            "random_forest",
            {"grace": 15},
            "grace is 15, but trials end at 200 trees, in steps of 10.",
            "Give a multiple of 10 up to 200, as in --set grace=10.",
        ),
        (
            "irnet",
            {"gpus": 1, "gpus_per_trial": 2.0},
            "A trial is to take 2 GPUs of 1.",
            "Give --gpus-per-trial 1 or less.",
        ),
        (
            "irnet",
            {"gpus": 4, "gpus_per_trial": 1.5},
            "A trial is to take 1.5 GPUs.",
            "Give a whole number, or a share of one, such as --gpus-per-trial 0.5.",
        ),
        (
            "irnet",
            {"cpus": 1, "cpus_per_trial": 2},
            "A trial is to take 2 CPU cores of 1.",
            "Give --cpus-per-trial 1 or less.",
        ),
        (
            "irnet",
            {"sampler": "grid", "preset": "full"},
            "The parameter 'width' is continuous (0.125 … 2 (log), when layers is none), so there "
            "is no grid of it.",
            "List its values, as in --set space.width=[...], or use --sampler tpe.",
        ),
    ],
)
def test_keys_that_do_not_go_together(
    source: str, flags: dict[str, Any], message: str, hint: str
) -> None:
    error = refused(source, **flags)
    assert (error.message, error.hint) == (message, hint)


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        (['space.optimizer=["adam", "momentum"]', "space.momentum=5"], "'momentum' is 5, outside "),
        (["space.momentum=[0.9, 5]"], "'momentum' is 5, outside its space."),
        (["space.momentum={low=0.5, high=5}"], "'momentum' is 5.0, outside its space."),
        (['space.schedule=["constant", "one_cycle"]', "space.epochs=0"], "'epochs' is 0, out"),
    ],
)
def test_what_only_some_trials_would_have_is_refused_too(sets: list[str], message: str) -> None:
    error = refused("irnet", *sets, preset="full")
    assert error.message.startswith(message)
    sound = load("irnet", {"preset": "full"}, ("space.optimizer=adam", "space.momentum=0.9"))
    assert domain_of(sound, "momentum") == Choice((0.9,))


@pytest.mark.parametrize(
    ("preset", "layers", "dropout"),
    [
        ("full", "64BAx2-32BAx1-1", Choice((0.0,))),
        ("full", ["64BAx2-1", "64BAx3-1"], Choice((0.0,))),
        ("full", "64BAx2D-32BAx1-1", Float(0.05, 0.5)),
        ("full", None, Float(0.0, 0.5)),
        ("published", "64BAx2-1", Choice((0.0,))),
        ("published", "64BAx2D-1", Choice((0.2,))),
    ],
)
def test_layers_as_a_text_decide_on_dropout(preset: str, layers: Any, dropout: object) -> None:
    keys = {"name": "mine", "family": "plain_mlp", "preset": preset, "space": {"layers": layers}}
    study = from_keys(keys, "mine")
    study.check()
    assert domain_of(study, "dropout") == dropout
    assert domain_of(study.resolved("e_form"), "dropout") == dropout
    space = study.search_space()
    for number in range(50):
        study.declared_family().check(space.sample(number))


@pytest.mark.parametrize(
    ("layers", "dropout", "message"),
    [
        ('["64x2-1", "64x2D-1"]', "", "Of the networks in 'layers' some have dropout (D), and"),
        ('["none", "64x2-1"]', "", "Of the networks in 'layers' some have dropout (D), and"),
        ('["none", "64x2D-1"]', "{low=0.1, high=0.2}", ""),
        ('["none", "64x2-1"]', "0", ""),
        ('"64x2-1"', "0.1", "'dropout' is 0.1, but the layers '64x2-1' have none (D)."),
        ('"64x2D-1"', "{low=0.0, high=0.2}", "The layers '64x2D-1' have dropout (D), but"),
    ],
)
def test_layers_and_dropout_that_do_not_agree(layers: str, dropout: str, message: str) -> None:
    sets = [f"space.layers={layers}", *([f"space.dropout={dropout}"] if dropout else [])]
    if message:
        assert refused("plain_mlp", *sets, preset="full").message.startswith(message)
    else:
        load("plain_mlp", {"preset": "full"}, sets)


def test_values_that_do_not_go_together_are_found_before_the_first_trial(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def check(config: Config) -> None:
        if (config["max_depth"], config["min_samples_split"]) == (25, 10):
            raise InputError("'max_depth' is 25 beside 10.", "Narrow it.")

    picky = replace(FAMILIES.get("random_forest"), check=check)
    monkeypatch.setattr(Study, "declared_family", lambda study: picky)
    assert refused("random_forest").message == "'max_depth' is 25 beside 10."


def test_a_number_of_thousands_of_digits_is_refused(tmp_path: Path) -> None:
    (tmp_path / "long.toml").write_text(f"trials = {'9' * 5000}\n")
    assert refused(f"{tmp_path}/long.toml").message.endswith(
        "value has 5000 digits; use sys.set_int_max_str_digits() to increase the limit."
    )
    assert refused("smoke", f"trials={'9' * 5000}").message.startswith(
        "The study 'smoke' has trials"
    )


HOSTILE = ["../x", "a b", "x'; DROP TABLE", "", ".", "-x", "a\nb", "a\0b", "ü", "x" * 65, "a/b"]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_that_are_no_name(name: str) -> None:
    error = refused("smoke", name=name)
    assert error.message.startswith("A study cannot be called ")
    assert error.hint.startswith("Use up to 64 letters, digits, dots, dashes and underscores")


def test_configs_to_try_first_are_filled_in_and_survive_toml() -> None:
    study = load("irnet", {"preset": "full"}, ["first=[{depth=5, norm='none'}, {width=0.5}]"])
    best = study.declared_family().first(study.search_space())
    assert study.first_configs() == [{**best, "depth": 5, "norm": None}, {**best, "width": 0.5}]
    written = toml.dumps(study.resolved("target").model_dump(mode="json"))
    assert from_keys(tomllib.loads(written), "again").first_configs() == study.first_configs()
    full = study.model_copy(update={"first": []}).first_configs()
    assert [one["schedule"] for one in full] == ["constant", "cosine"]
    published = load("irnet", {}, []).first_configs()
    assert published == [{**published[0], "depth": 17, "optimizer": "adam"}]


def test_a_schedule_of_a_config_to_try_first_ends_with_its_trial() -> None:
    sets = ["max_epochs=50", "first=[{schedule='cosine', epochs=100}, {depth=5}]"]
    study = load("irnet", {"preset": "full"}, sets).resolved("target")
    assert [one.get("epochs") for one in study.first_configs()] == [50, None]
    assert study.resolved("target") == study


def test_what_the_store_keeps_of_a_study_is_the_study() -> None:
    study = load("smoke", {"gpus_per_trial": 1, "split": "random:seed=3"})
    assert from_keys(study.model_dump(mode="json"), "smoke") == study


@pytest.mark.parametrize(
    ("sets", "ends"),
    [
        ([], {}),
        (["max_epochs=600"], {}),
        (["max_epochs=100"], {"low": 20, "high": 100, "log": True}),
        (["max_epochs=9"], 9),
        (["max_epochs=100", "space.epochs=30"], 30),
    ],
)
def test_a_schedule_ends_with_the_trial(sets: list[str], ends: object) -> None:
    study = load("irnet", {"preset": "full"}, sets).resolved("target")
    assert study.space.get("epochs", {}) == ends
    assert study.resolved("target") == study
    space = study.search_space()
    for seed in range(40):
        config = space.sample(seed)
        if config["schedule"] in ("cosine", "one_cycle"):
            assert config["epochs"] <= (study.max_epochs or 500)
