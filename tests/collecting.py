"""What the tests of `collect` share: manners for a server of their own, the command, and a package of real pictures."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

from click.testing import CliRunner, Result

from generate.__main__ import main
from tests.conftest import EMOJI

QUICK = {"rate_per_s": 100, "timeout_s": 60, "total_s": 90, "max_bytes": 200_000, "private_hosts": ("localhost",)}
IMPATIENT = QUICK | {"timeout_s": 2, "total_s": 3}  # for servers that never answer


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["collect", *map(str, arguments)])


def npm_tarball(path: Path, **package: object) -> None:
    members = {"package/package.json": json.dumps({"name": "emoji", "version": "1.0.0"} | package).encode()}
    members |= {f"package/assets/{p.relative_to(EMOJI)}": p.read_bytes() for p in sorted(EMOJI.rglob("*.webp"))}
    with tarfile.open(path, "w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
