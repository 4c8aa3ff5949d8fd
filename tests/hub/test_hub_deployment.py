"""The settings of a real deployment: Django's own checks find nothing, and what is missing is said by
name.
"""

from __future__ import annotations

import pytest

from tests.helpers.processes import manage

pytestmark = [pytest.mark.system, pytest.mark.shape("production"), pytest.mark.django_db]

DEPLOYMENT = {
    "DJANGO_SETTINGS_MODULE": "hub.settings",
    "DEBUG": "0",
    "SECRET_KEY": "a-long-secret-that-only-the-system-checks-see-0123456789",
    "ALLOWED_HOSTS": "hub.example",
}


def test_check_deploy__of_a_complete_environment__finds_nothing() -> None:
    assert "no issues" in manage("check", "--deploy", "--fail-level", "WARNING", env=DEPLOYMENT)


def test_check_deploy__without_a_secret__refuses_by_name() -> None:
    with pytest.raises(AssertionError, match="Set SECRET_KEY"):
        manage("check", "--deploy", env={**DEPLOYMENT, "SECRET_KEY": ""})
