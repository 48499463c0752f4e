"""Measurements. What keeps one from starting, a wrong setting for example, ends it in one line as it does for the services."""

import sys
from types import TracebackType

import environment
from deploy.addresses import CannotStart
from environment import WrongSetting


def _in_one_line(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not isinstance(error, WrongSetting | CannotStart):
        sys.__excepthook__(kind, error, trace)
        return
    sys.stderr.write(f"bench: {error}\n")
    sys.exit(error.status if isinstance(error, CannotStart) else 2)


environment.spare_this_machine()
sys.excepthook = _in_one_line
