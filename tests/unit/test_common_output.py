"""What a command tells of, and what it does when nobody reads on."""

import subprocess
import sys

import pytest

from environment import ROOT
from services.common.output import tell


def test_lines_are_written(capsys: pytest.CaptureFixture[str]) -> None:
    tell(["one", "two"])
    assert capsys.readouterr().out == "one\ntwo\n"


@pytest.mark.parametrize("count", [1, 100_000])
def test_a_reader_that_has_gone_ends_it_quietly(count: int) -> None:
    program = f"import sys; from services.common.output import tell; sys.stdin.read(); tell(['line'] * {count}); print('more')"
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        process.stdout.close()
        assert process.communicate()[1] == b""
        assert process.returncode == 1
