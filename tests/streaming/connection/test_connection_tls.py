"""The stream where the server itself speaks TLS, with no proxy in front: Daphne, whose transport is another
one then.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from tests.helpers.factories import send
from tests.helpers.machine.nginx import make_certificate
from tests.helpers.machine.ports import HOST
from tests.helpers.processes import HubProcess
from tests.helpers.streams import complaints, positions

pytestmark = [pytest.mark.system, pytest.mark.shape("embedded")]


class DaphneOverTls(HubProcess):
    """Daphne with a certificate of its own."""

    def __init__(self, certificates: Path) -> None:
        self.certificates = certificates
        super().__init__("daphne")

    @property
    def base_url(self) -> str:
        return f"https://{HOST}:{self.port}"

    def _command(self) -> list[str]:
        files = f"privateKey={self.certificates}/key.pem:certKey={self.certificates}/certificate.pem"
        endpoint = f"ssl:{self.port}:{files}:interface={HOST}"
        return [sys.executable, "-m", "daphne", "-e", endpoint, "hub.asgi:application"]


def test_stream__over_tls__is_live_resumes_and_ends_cleanly(ada: User, tmp_path: Path) -> None:
    make_certificate(tmp_path)
    with DaphneOverTls(tmp_path) as hub:
        stream = hub.stream(ada)
        stream.expect("stream.live")
        send(ada)
        stream.expect("notification.created")
        stream.close()
        send(ada)
        resumed = hub.stream(ada, f"after={stream.ids[-1]}&closeafter=live")
        assert resumed.wait_ended() == "clean"
        assert (positions(stream), positions(resumed)) == ([1], [2])
        assert complaints(hub.output()) == []
        last = hub.stream(ada)
        last.expect("stream.live")
        assert hub.stop() == 0
        assert last.wait_ended() == "clean"
        assert "Traceback" not in hub.output()
