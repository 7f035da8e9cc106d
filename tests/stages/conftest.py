"""What tests of stages share."""

from tests.helpers.passed_once import networks_pass_once  # noqa: F401 - for every test here
