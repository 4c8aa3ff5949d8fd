"""A process that publishes two events to ada under the key `k`, or a transient one, and is killed in the
middle, as by a crash.

python -m tests.rest.publish.dying_publisher --token nhub_… --die-at
claimed|staged|answered|committed|transient_claimed|transient_sent
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
from typing import Any

import django

# What is called last before the process dies, and whether it is done first.
PLACES = {
    "claimed": ("notifications.services.idempotency", "_insert_key"),
    "staged": ("notifications.services.publish", "_store"),
    "answered": ("notifications.models", "IdempotencyKey.save_base"),
    "committed": ("notifications.inbox_log.sequencer", "_sequence_noted"),
    "transient_claimed": ("notifications.services.transient.publishing", "_insert_key"),
    "transient_sent": ("notifications.services.transient.publishing", "_send"),
}


def die_at(place: str) -> None:
    """From now on, whoever has done this is killed; `committed`: before the sequencer runs."""
    module_name, path = PLACES[place]
    *owners, name = path.split(".")
    owner: Any = importlib.import_module(module_name)
    for attribute in owners:
        owner = getattr(owner, attribute)
    real = getattr(owner, name)

    def die(*args: Any, **options: Any) -> Any:
        outcome = None if place == "committed" else real(*args, **options)
        if place != "answered" or options.get("update_fields"):
            os.kill(os.getpid(), signal.SIGKILL)
        return outcome

    setattr(owner, name, die)


def main() -> None:
    """Run as a process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--token", required=True)
    parser.add_argument("--die-at", choices=PLACES, required=True)
    options = parser.parse_args()
    django.setup()
    from django.contrib.auth import get_user_model

    from tests.helpers.api import BATCH, EVENTS, Api, draft, post, transient

    ada = get_user_model()._default_manager.get(username="ada")
    die_at(options.die_at)
    if options.die_at.startswith("transient"):
        post(Api(token=options.token), EVENTS, transient(ada), key="k")
    else:
        post(Api(token=options.token), BATCH, [draft(ada), draft(ada, title="2")], key="k")


if __name__ == "__main__":
    main()
