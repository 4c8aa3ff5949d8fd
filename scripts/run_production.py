"""Run the hub as in production on this machine until Ctrl+C: PostgreSQL, Redis, and several workers.

run_production.py [--folder var/production] [--port 8000] [--workers 2]

The folder keeps the database, the secret key, and `environment`, by which other commands reach this very hub.
Redis stores nothing: it only carries hints. It is a demonstration: plain http, loopback only, PostgreSQL
without passwords. docs/operations.md says how to deploy.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import secrets
import shlex
import signal
import subprocess
import sys
from pathlib import Path

from tests.helpers.machine.guardian import PR_SET_PDEATHSIG
from tests.helpers.machine.ports import HOST
from tests.helpers.machine.servers import PostgresServer, RedisServer, ServerMissing

ROOT = Path(__file__).resolve().parent.parent
MANAGE = [sys.executable, str(ROOT / "manage.py")]
SUPERUSER = "admin"


def main() -> int:
    """Start everything, wait for the hub's end, and stop the rest; return the hub's return code."""
    options = read_options()
    folder: Path = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    # Ctrl+C reaches the hub by itself; this process has to outlive it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: None)
    try:
        with PostgresServer(folder / "postgres") as postgres, RedisServer() as redis:
            environ = write_environment(
                folder,
                {
                    "DEBUG": "0",
                    "PLAIN_HTTP": "1",
                    "ALLOWED_HOSTS": f"{HOST},localhost",
                    "SECRET_KEY": kept_secret(folder / "secret_key"),
                    "DATABASE_URL": postgres.url,
                    "REDIS_URL": redis.url,
                    "WEB_CONCURRENCY": str(options.workers),
                },
            )
            prepare(environ, folder, is_new=postgres.is_new)
            return serve(environ, options.port)
    except ServerMissing as missing:
        sys.exit(f"{missing} is not there; `make run-production` installs it.")
    except subprocess.CalledProcessError as failed:
        return failed.returncode


def read_options() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=ROOT / "var" / "production")
    parser.add_argument("--port", default=os.environ.get("PORT") or "8000")
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args()


def kept_secret(path: Path) -> str:
    """Return a random text that is the same in every run; only its owner can read the file."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(50))
    return path.read_text()


def write_environment(folder: Path, values: dict[str, str]) -> dict[str, str]:
    """Return this process's environment with `values`, and write these to a file for other commands."""
    path = folder / "environment"
    path.touch(mode=0o600)
    path.write_text("".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items()))
    return {**os.environ, **values}


def prepare(environ: dict[str, str], folder: Path, *, is_new: bool) -> None:
    """Bring tables and static files up to date.

    A new database gets a superuser, whose password is printed this once.
    """
    manage(environ, "migrate", "--verbosity=0")
    manage(environ, "collectstatic", "--noinput", "--verbosity=0")
    if is_new:
        password = secrets.token_urlsafe(12)
        made = {**environ, "DJANGO_SUPERUSER_PASSWORD": password}
        manage(made, "createsuperuser", "--noinput", "--verbosity=0", f"--username={SUPERUSER}", "--email=")
        print(f"Log in as {SUPERUSER} / {password} (shown this once; it may enter /admin/)")
    print(f"For other commands on this hub: . {folder / 'environment'}", flush=True)


def manage(environ: dict[str, str], *arguments: str) -> None:
    """Run a management command.

    Raises:
        subprocess.CalledProcessError: it failed; it has printed the reason.
    """
    subprocess.run([*MANAGE, *arguments], cwd=ROOT, env=environ, check=True, stdin=subprocess.DEVNULL)


def serve(environ: dict[str, str], port: str) -> int:
    """Run the hub to its end, passing a SIGTERM on to it; return its return code."""
    hub = subprocess.Popen(
        [*MANAGE, "serve", "--host", HOST, "--port", port],
        cwd=ROOT,
        env=environ,
        preexec_fn=end_with_this_process,  # noqa: PLW1509 (one thread)
    )
    signal.signal(signal.SIGTERM, lambda number, frame: hub.send_signal(signal.SIGTERM))
    return hub.wait()


def end_with_this_process() -> None:
    """Have the kernel end the calling process when the one that started it is killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
