"""For all tests: connections to this machine go through no proxy."""

import environment

environment.spare_this_machine()
