"""What there is in a study database, in the browser: rankings, studies as they run, pictures."""

from fesearch.dashboard.guard import Guard, is_loopback
from fesearch.dashboard.server import Server
from fesearch.dashboard.suggestions import read_only

__all__ = ["Guard", "Server", "is_loopback", "read_only"]
