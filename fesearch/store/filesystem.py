"""Kinds of file systems: of those that hosts share, SQLite's write-ahead log works on none."""

import re
from pathlib import Path

MOUNTS = Path("/proc/mounts")

# fmt: off
NETWORK = frozenset((
    "9p", "acfs", "afs", "beegfs", "ceph", "cephfs", "cifs", "coda", "curlftpfs", "cvmfs",
    "fhgfs", "gcsfuse", "gfs", "gfs2", "glusterfs", "gpfs", "juicefs", "lustre", "mfs", "mmfs",
    "moosefs", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "panfs", "pvfs2", "quobyte",
    "rclone", "s3fs", "smb2", "smb3", "smbfs", "sshfs", "vboxsf", "virtiofs", "weka", "wekafs"
))
# fmt: on
"""Types as /proc/mounts calls them, without "fuse.": of clusters, networks and hosts of a guest."""


def kind(path: Path) -> str | None:
    """The type of the file system that a file or folder is on; None where it is not known.

    It need not exist yet. Where there is no /proc/mounts, nothing is known.
    """
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    path = path.absolute().resolve()
    found, deepest = None, -1
    for line in lines:
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        mounted = Path(_unescaped(fields[1]))
        depth = len(mounted.parts)
        if depth >= deepest and path.is_relative_to(mounted):  # the last hides those before it
            found, deepest = fields[2], depth
    return found


def network(path: Path) -> str | None:
    """The type of the network file system that it is on; None where it is on none, or not known."""
    found = kind(path)
    return found if found is not None and found.removeprefix("fuse.") in NETWORK else None


def _unescaped(field: str) -> str:
    """Blanks, tabs, newlines and backslashes are octal in /proc/mounts."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), field)
