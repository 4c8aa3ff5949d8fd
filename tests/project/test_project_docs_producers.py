"""The commands of docs/producers.md do what the page says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from uuid import UUID

import pytest

from tests.helpers.factories import make_producer, make_token, make_user
from tests.helpers.processes import HubProcess
from tests.helpers.waiting import LONG_SECONDS

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.system, pytest.mark.shape("embedded")]
PAGE = Path(__file__).resolve().parents[2] / "docs/producers.md"


def test_commands__in_their_order__are_answered_as_the_page_says(live_hub: HubProcess) -> None:
    assert shutil.which("curl"), "curl is missing"
    make_user("ada")
    token = make_token(make_producer(), "publish").text
    commands = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    env = {**os.environ, "HUB": live_hub.base_url, "TOKEN": token, "NO_PROXY": "*"}
    answers = [
        json.loads(
            subprocess.run(
                ["sh", "-c", command], env=env, capture_output=True, check=True, timeout=LONG_SECONDS
            ).stdout
        )
        for command in commands
    ]
    one, batch, withdrawn, shown = answers
    assert (one["count"], len(one["ids"])) == (1, 1)
    assert [result["count"] for result in batch["results"]] == [1, 2]
    assert UUID(shown.pop("id")).version == 7
    assert (withdrawn, shown) == ({"changed": 2}, {"count": 1})
