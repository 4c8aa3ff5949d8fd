"""A real nginx with the file that deploy/ ships, on free ports of the loopback address."""

from __future__ import annotations

import datetime
import os
import shutil
import signal
from ipaddress import ip_address
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.helpers.machine.guarded import GuardedFolder, GuardedProcess
from tests.helpers.machine.ports import HOST, free_port
from tests.helpers.processes import ROOT
from tests.helpers.waiting import LONG_SECONDS, wait_until

SHIPPED = ROOT / "deploy" / "nginx.conf"


class NginxMissing(Exception):
    """No nginx on the PATH: run `make test`, which installs it where it may."""


def nginx_program() -> str:
    """The `nginx` to use. Raises `NginxMissing`."""
    found = shutil.which(
        "nginx", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    )
    if found is None:
        raise NginxMissing("nginx")
    return found


class Nginx:
    """nginx before a hub on `hub_port`, ready when it is made. `worker_shutdown` is how long a former worker
    may live after `reload()`.
    """

    def __init__(self, hub_port: int, *, worker_shutdown: str = "15m") -> None:
        program = nginx_program()
        self._folder = GuardedFolder("hub-nginx-")
        self.port, self.plain_port = free_port(), free_port()
        folder = self._folder.path
        make_certificate(folder)
        (folder / "hub.conf").write_text(self._site(hub_port))
        (folder / "nginx.conf").write_text(self._main(worker_shutdown))
        command = [
            program,
            "-p",
            str(folder),
            "-e",
            str(folder / "error.log"),
            "-c",
            str(folder / "nginx.conf"),
        ]
        self._process = GuardedProcess(command, log=folder / "log")
        try:
            wait_until(self._listens, timeout=LONG_SECONDS, what="nginx")
        except BaseException:
            self.stop()
            raise

    @property
    def base_url(self) -> str:
        """Where browsers reach the hub."""
        return f"https://{HOST}:{self.port}"

    def reload(self) -> None:
        """Have it read its files again: new workers serve, the former ones end with their last connection."""
        known = self._started_count()
        self._process.send_signal(signal.SIGHUP)
        wait_until(lambda: self._started_count() > known, timeout=LONG_SECONDS, what="nginx's new worker")

    def log(self) -> str:
        """Its error log, and its access log."""
        files = [self._folder.path / name for name in ("log", "error.log", "access.log")]
        return "".join(file.read_text(errors="replace") for file in files if file.exists())

    def stop(self) -> None:
        """End it. May be called again."""
        self._process.end()
        self._folder.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def _site(self, hub_port: int) -> str:
        """The shipped file, changed where it says that it must be, and in its ports."""
        folder = self._folder.path
        text = SHIPPED.read_text()
        for old, new in (
            ("server 127.0.0.1:8000;", f"server {HOST}:{hub_port};"),
            ("listen 80;", f"listen {HOST}:{self.plain_port};"),
            ("listen [::]:80;", ""),
            ("listen 443 ssl", f"listen {HOST}:{self.port} ssl"),
            ("listen [::]:443 ssl http2;", ""),
            ("/etc/ssl/hub/fullchain.pem", str(folder / "certificate.pem")),
            ("/etc/ssl/hub/privkey.pem", str(folder / "key.pem")),
            ("/var/log/nginx/hub.access.log", str(folder / "access.log")),
            ("hub.example", HOST),
        ):
            assert old in text, f"deploy/nginx.conf has no {old!r} any more"
            text = text.replace(old, new)
        return text

    def _main(self, worker_shutdown: str) -> str:
        folder = self._folder.path
        temporary = "".join(
            f"    {kind}_temp_path {folder}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        user = "user root;\n" if os.geteuid() == 0 else ""
        return (
            f"daemon off;\n{user}worker_processes 1;\npid {folder}/pid;\nerror_log {folder}/error.log "
            "notice;\n"
            f"worker_shutdown_timeout {worker_shutdown};\nevents {{}}\nhttp "
            f"{{\n{temporary}    include hub.conf;\n}}\n"
        )

    def _started_count(self) -> int:
        return self.log().count("start worker process ")

    def _listens(self) -> bool:
        if not self._process.is_running():
            raise AssertionError(f"nginx ended at once:\n{self.log()}")
        return self._started_count() > 0


def make_certificate(folder: Path) -> None:
    """A key and a certificate for the loopback address, signed by nobody else, good for a day."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    today = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(hours=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
