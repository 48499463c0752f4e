"""For all tests: connections to this machine go through no proxy, and what a check in `tests.harness` compared is shown."""

import pytest

import environment

pytest.register_assert_rewrite("tests.harness")
environment.spare_this_machine()
