"""What supervisor is told, and the folders that it needs."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from deploy.addresses import CannotStart

#: A service that ends sooner after its start than this has failed to start.
STARTED_S: Final = 8
#: Supervisor tries so many more times before it gives a service up.
RETRIES: Final = 2
#: A service has this long to end its streams and itself; see `services.common.serving.GRACE_S`.
STOP_S: Final = 6
#: A path of a socket has 107 bytes, and while it is made supervisor's has its process number at the end.
_SOCKET_BYTES: Final = 96
_SHORT: Final = ("/tmp", "/var/tmp")

# No path stands in it, where % ; # and quotes have meanings: supervisor works in its own folder, from which `logs` leads to the
# logs, and the rest comes in by the environment.
_CONFIG: Final = """\
[supervisord]
nodaemon=true
silent=true
logfile=logs/supervisord.log
logfile_maxbytes=1MB
logfile_backups=1
pidfile=supervisord.pid
childlogdir=logs
minfds=64
minprocs=1

[unix_http_server]
file=supervisor.sock
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""
_PROGRAM: Final = """
[program:{name}]
command=/bin/sh -c 'cd "$SUPERVISED_ROOT" && exec "$SUPERVISED_PYTHON" -m services.{name}'
autorestart=true
startsecs={started}
startretries={retries}
stopsignal=TERM
stopwaitsecs={stop}
stopasgroup=true
killasgroup=true
redirect_stderr=true
stdout_logfile=logs/{name}.log
stdout_logfile_maxbytes=5MB
stdout_logfile_backups=3
"""


def configuration(names: Iterable[str]) -> str:
    """What supervisor is told."""
    limits = {"started": STARTED_S, "retries": RETRIES, "stop": STOP_S}
    return _CONFIG + "".join(_PROGRAM.format(name=name, **limits) for name in names)


def require_logs(folder: Path) -> None:
    """Makes the folder of the logs; raises CannotStart when it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as exc:
        raise CannotStart(f"cannot write logs to {folder} ({exc.strerror}); run it as the owner of that folder") from exc


def run_folder() -> Path:
    """A new folder for supervisor's socket, whose path must be short; raises CannotStart."""
    try:
        places = [tempfile.gettempdir(), *_SHORT]
    except FileNotFoundError as exc:
        raise CannotStart("no folder for temporary files can be written; set TMPDIR to one") from exc
    for place in places:
        with contextlib.suppress(OSError):
            folder = Path(tempfile.mkdtemp(prefix="vivant-", dir=place))
            if len(os.fsencode(folder / "supervisor.sock")) <= _SOCKET_BYTES:
                return folder
            folder.rmdir()
    raise CannotStart(
        f"{places[0]} is too long for the path of a socket, and /tmp cannot be written; set TMPDIR to a shorter one"
    )
