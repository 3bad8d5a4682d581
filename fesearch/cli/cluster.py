"""``fesearch cluster``: scripts that run a study on many machines, and what they ask there."""

import getpass
import os
import re
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from fesearch.cli.afterwards import Afterwards
from fesearch.cli.options import StorageOption, StudyArgument, group
from fesearch.cli.output import say
from fesearch.duration import duration
from fesearch.errors import FesearchError, InputError, NoResultError
from fesearch.paths import artifacts_dir, atomic_write, cache_dir, storage_url
from fesearch.portfolio import of_keys
from fesearch.study import Study, checked
from fesearch.studyfile import read

app = group()

_OURS = ("address", "gpus", "cpus", "or_resume", "prepare", "dry_run", "format")
"""Flags of ``study start`` that the script itself gives, or that would start nothing."""

_ONE_FAMILYS = re.compile(r"each\.[^.]*\.")
"""Before a key of one family, of several that are searched together."""

_Source = Annotated[
    str, typer.Argument(help="A shipped study, a model family, a study file, or a family's .py.")
]
_Flags = Annotated[
    list[str] | None,
    typer.Argument(metavar="-- FLAGS", help="Of study start, after two dashes."),
]
_To = Annotated[Path | None, typer.Option("--to", help="Where to write it; stdout where left out.")]


@app.command("slurm")
def slurm_script(
    source: _Source,
    flags: _Flags = None,
    nodes: Annotated[int, typer.Option("--nodes", min=1, help="Nodes of a job.")] = 1,
    gpus: Annotated[int, typer.Option("--gpus-per-node", min=0, help="GPUs of a node.")] = 0,
    cpus: Annotated[
        int | None, typer.Option("--cpus-per-node", min=1, help="Cores; whole nodes by default.")
    ] = None,
    time: Annotated[
        str, typer.Option("--time", help="Wall-clock limit of a job, as sbatch takes it.")
    ] = "08:00:00",
    margin: Annotated[
        str, typer.Option("--margin", help="Before the limit, for checkpoints.")
    ] = "5m",
    chain: Annotated[
        int,
        typer.Option("--chain", min=1, help="Jobs submitted beforehand, where nodes may not."),
    ] = 1,
    sbatch: Annotated[
        list[str] | None, typer.Option("--sbatch", help="An option of sbatch more.")
    ] = None,
    preamble: Annotated[
        Path | None, typer.Option("--preamble", help="Shell commands before all others.")
    ] = None,
    disk: Annotated[
        str, typer.Option("--disk", help="Folder on a disk of each node, for Ray's files.")
    ] = "/tmp",  # noqa: S108  each job makes a folder of its own, for its user alone
    to: _To = None,
) -> None:
    """Write a batch script that starts Ray on SLURM's nodes and goes on until a study is done."""
    from fesearch.cluster import slurm

    name, given = _asked(source, flags or [], nodes, gpus, cpus)
    environment, needs = _environment(given["storage"])
    start = ["fesearch", "study", "start", source, *(flags or [])]
    job = slurm.Job(
        name=name,
        start=start,
        folder=Path.cwd(),
        nodes=nodes,
        gpus=gpus,
        cpus=cpus,
        time=time,
        margin=round(duration(margin, "margin")),
        chain=chain,
        sbatch=sbatch or (),
        preamble="" if preamble is None else _read(preamble),
        disk=disk,
        environment=environment,
        needs=needs,
        afterwards=[
            *(["--holdout"] if given["holdout"] else []),
            *([] if given["export"] is None else ["--export", str(given["export"])]),
        ],
        programs=Path(sys.executable).parent,
    )
    _write(slurm.script(job), to)
    submit = [] if to is None else ["bash" if chain > 1 else "sbatch", str(to)]
    say(
        "Where there is a network, first:",
        f"  {shlex.join([*start, '--prepare'])}",
        *(["Then:", f"  {shlex.join(submit)}"] if submit else []),
    )


@app.command("ray")
def ray_file(
    head: Annotated[str, typer.Option("--head", help="Host of the head.")],
    worker: Annotated[list[str] | None, typer.Option("--worker", help="A further host.")] = None,
    user: Annotated[
        str | None, typer.Option("--user", help="Who logs in by SSH; you by default.")
    ] = None,
    key: Annotated[str | None, typer.Option("--key", help="File of the private key.")] = None,
    setup: Annotated[
        list[str] | None, typer.Option("--setup", help="A shell command before each of Ray's.")
    ] = None,
    name: Annotated[str, typer.Option("--name", help="Of the cluster.")] = "fesearch",
    to: _To = None,
) -> None:
    """Write a cluster file for Ray's launcher, for machines that are reached by SSH."""
    from fesearch.cluster import launcher

    machines = launcher.Machines(
        name=name,
        head=head,
        workers=worker or (),
        user=user or getpass.getuser(),
        key=key,
        setup=setup or [f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH"],
    )
    _write(launcher.text(machines), to)


@app.command("address")
def print_address(
    key: Annotated[int, typer.Option("--key", min=0, help="Such as the number of a job.")],
) -> None:
    """Print HOST:PORT for a Ray head on this machine: other nodes reach it, nobody has it."""
    from fesearch.cluster import nodes

    typer.echo(nodes.address(key))


@app.command("wait")
def wait_for_nodes(
    address: Annotated[str, typer.Argument(help="Of the Ray cluster.")],
    nodes: Annotated[int, typer.Option("--nodes", min=1, help="That are to be there.")] = 1,
    study: Annotated[
        str | None, typer.Option("--study", help="That no other driver may have any more.")
    ] = None,
    timeout: Annotated[str, typer.Option("--timeout", help="Such as 10m.")] = "10m",
    storage: StorageOption = None,
) -> None:
    """Wait until all nodes of a Ray cluster are there, and a study is free to go on."""
    from fesearch.cluster import nodes as there

    cores = there.wait(address, nodes, duration(timeout, "timeout"), study, storage_url(storage))
    say(f"The Ray cluster at {address} has {nodes} nodes with {cores} CPU cores.")


@app.command("over", hidden=True)
def is_over(
    name: StudyArgument,
    first: Annotated[
        bool, typer.Option("--first", help="Somebody has submitted this job, after any stop.")
    ] = False,
    holdout: Annotated[
        bool, typer.Option("--holdout", help="The best is to be scored on the test part.")
    ] = False,
    export: Annotated[
        Path | None, typer.Option("--export", help="Folder that is to hold the best model.")
    ] = None,
    storage: StorageOption = None,
) -> None:
    """Exit with 0 where a further job has nothing left to do, else with 3.

    Prints how far it has come: a job that changes nothing of it needs more time.
    """
    from fesearch.search import remaining

    url = storage_url(storage)
    found = remaining.remaining(name, url)
    if found is remaining.Remaining.STOPPED and first:
        remaining.go_on(name, url)
        found = remaining.Remaining.OPEN
    if found is remaining.Remaining.SPENT and not Afterwards(holdout, export, again=True).done(
        name, url
    ):
        found = remaining.Remaining.OPEN
    typer.echo(remaining.progress(name, url))
    if found is remaining.Remaining.OPEN:
        raise typer.Exit(NoResultError.exit_code)


def _asked(
    source: str, flags: list[str], nodes: int, gpus: int, cpus: int | None
) -> tuple[str, dict[str, Any]]:
    """What ``study start`` would start with these flags: its name, and all that it is given.

    Args:
        gpus, cpus: of each of the nodes; None where the nodes themselves say how many cores.

    Raises:
        InputError: what it would refuse, or a flag that the script gives itself.
    """
    from fesearch.cli.study import app as studies

    command: Any = typer.main.get_command(studies)
    given = command.commands["start"].make_context("study start", [source, *flags]).params
    for key in _OURS:
        if given.get(key) not in (None, False, "table"):
            raise InputError(
                f"The flag --{key.replace('_', '-')} is the script's own to give.",
                "Leave it out; see fesearch cluster slurm --help.",
            )
    for text in given["set_"] or ():
        if _ONE_FAMILYS.sub("", text.partition("=")[0].strip()) in (*_OURS, "runner"):
            raise InputError(
                f"--set {text} is the script's own to give.",
                "Leave it out; see fesearch cluster slurm --help.",
            )
    names = {*Study.model_fields, "families"}
    words = {key: value for key, value in given.items() if key in names}
    words |= {"own": given["family_file"], "gpus": nodes * gpus}
    keys = read(source, words, tuple(given["set_"] or ()))
    if "families" in keys:
        many = of_keys(keys, source)
        name, searched = many.name, list(many.studies.values())
    else:
        study = checked(keys, source)
        name, searched = study.name, [study]
    for study in searched:
        if study.runner == "inline":
            raise InputError(
                "The study has runner = inline, which trains on one core of one node.",
                "Take it out of the study file: jobs train on Ray.",
            )
        if study.gpus and study.gpus_per_trial > gpus:
            raise InputError(
                f"{study.gpus_per_trial:g} GPUs per trial are asked for, but a node has {gpus}.",
                f"Give -- --gpus-per-trial {gpus} or less: a trial runs on one node.",
            )
        if cpus is not None and study.cpus_per_trial > cpus:
            raise InputError(
                f"{study.cpus_per_trial} cores per trial are asked for, but a node has {cpus}.",
                f"Give -- --cpus-per-trial {cpus} or less: a trial runs on one node.",
            )
    return name, given


def _environment(storage: str | None) -> tuple[dict[str, str], list[str]]:
    """Where the files are, for processes that begin elsewhere, and what they need to be told.

    The URL of a server may hold a password, which is for no file: it comes along by the
    environment of who submits.
    """
    found = {
        "FESEARCH_ARTIFACTS": str(artifacts_dir().absolute()),
        "FESEARCH_CACHE_DIR": str(cache_dir().absolute()),
    }
    url = storage_url(storage)
    if url.startswith("sqlite"):
        return {**found, "FESEARCH_STORAGE": url}, []
    if storage is not None:
        raise InputError(
            "--storage of a server would stand in the script, with its password.",
            "Set FESEARCH_STORAGE in the shell that submits; sbatch hands it on.",
        )
    return found, ["FESEARCH_STORAGE"]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InputError(f"The preamble '{path}' cannot be read: {why}.", "Check it.") from None


def _write(text: str, to: Path | None) -> None:
    """Print a file, or write it whole, for its owner alone to read and run."""
    if to is None:
        sys.stdout.write(text)
        return
    try:
        with atomic_write(to) as partial:
            partial.write_text(text, encoding="utf-8")
        os.chmod(to, 0o700)  # noqa: PTH101  a link is followed, as it was to write
    except OSError as error:
        raise FesearchError(
            f"'{to}' cannot be written: {error.strerror}.", "Give --to another place."
        ) from None
