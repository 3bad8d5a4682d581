"""``fesearch dashboard``: the studies in the browser."""

from typing import Annotated

import typer

from fesearch.cli import published
from fesearch.cli.options import BesideOption, StorageOption
from fesearch.paths import storage_url


def dashboard(
    storage: StorageOption = None,
    host: Annotated[
        str,
        typer.Option("--host", help="Address to listen on; any but loopback asks for a token."),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="0 finds a free one.")
    ] = 8080,
    writable: Annotated[
        bool, typer.Option("--writable", help="Let optuna-dashboard write: notes, deletions …")
    ] = False,
    beside: BesideOption = None,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", help="Folder of an exported model, to have a page; repeatable."),
    ] = None,
) -> None:
    """Show rankings, studies as they run and their pictures in the browser, until Ctrl-C."""
    from fesearch.dashboard import Server

    publication = published.asked(beside)
    url, models = storage_url(storage), model or []
    server = Server(url, host, port, writable, beside=publication, models=models)
    kind = "Optuna's dashboard in it can write" if writable else "Read-only"
    for line in [*server.addresses(), f"{kind}. Ctrl-C ends it."]:
        typer.echo(line)
    try:
        server.serve_forever()
    finally:
        server.close()  # pictures that visitors no longer wait for would be made before the exit
