"""Download models: `hf:owner/name[@revision][/file]` from the Hugging Face hub, or the https:// URL of a file.

path = local_copy("hf:owner/name")  # a folder in ~/.cache/this-stuff-does-not-exist

Only weights and their configuration are fetched, each file once. No code in them is run.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import click
from tqdm import tqdm

from generate.images import atomic_path, write_text
from generate.model.redirects import LARGEST, TIMEOUT_S, WEB, answer_to
from generate.units import size_text

HUB = "hf:"
CONFIGS = ("config.json", ".config.json")
FILES = (*CONFIGS, "*.safetensors", "*.bin", "*.pt", "*.pth", "*.pkl")  # what any family needs
SINGLE_FILES = (".pkl", ".pt", ".pth")  # complete models in one file
SOURCE = "source.json"  # beside the files: where they are from
CHUNK = 1 << 20
LARGEST_LIST = 32_000_000  # bytes of the hub's list of a repository's files
PULL_REQUEST = re.compile(r"@refs/pr/(\d+)(?=/|$)")  # the revisions whose names have slashes
REVISION = re.compile(r"(?!.*\.\.)\w[\w.+/-]*")  # a branch, tag or commit
COMMIT = re.compile(r"[0-9a-f]{7,40}")


class ModelPath(click.ParamType[Path]):
    """The MODEL argument of a command: a path, or a name to download."""

    name = "model"

    def convert(self, value: str | Path, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        return local_copy(str(value))


def is_remote(name: str) -> bool:
    """True if the name is one to download."""
    return name.startswith((HUB, WEB))


def local_copy(name: str) -> Path:
    """Return a local path as it is; download anything else and return its folder or file in the cache.

    Raises click.ClickException if the download fails.
    """
    if not is_remote(name):
        return Path(name)
    try:
        return _from_hub(name) if name.startswith(HUB) else _from_web(name)
    except click.ClickException:
        raise
    except Exception as error:  # network, server or disk: libraries raise many kinds
        reason = " ".join(str(error).split()).split(" (Request ID")[0][:200] or type(error).__name__
        raise click.ClickException(
            f"{name} can't be fetched ({reason}). Check the name and the connection; or download the files yourself and give their path."
        ) from None


def source_of(path: Path) -> dict[str, Any] | None:
    """Return where a model was downloaded from (name, revision, checksums), None for a local model."""
    for file in [path / SOURCE] if path.is_dir() else [_record_of(path), path.parent / SOURCE]:
        if found := _read_source(file):
            found.pop("names", None)
            return found
    return None


def _record_of(file: Path) -> Path:
    """Where the source of a file is recorded that was asked for by name: its repository may have been fetched, too."""
    return file.with_name(f"{file.name}.{SOURCE}")


@dataclass(frozen=True)
class _HubName:
    """What hf:owner/name[@revision][/file] says."""

    repository: str  # owner/name
    revision: str | None
    file: str  # "" for the whole repository

    @property
    def folder(self) -> str:
        """The beginning of its folders' names in the cache."""
        return self.repository.replace("/", "--")


def _read_name(name: str) -> _HubName:
    """Raises click.ClickException for any other name. A slash in a revision is written %2F, as in the hub's own addresses."""
    owner, repository, file = [*PULL_REQUEST.sub(r"@refs%2Fpr%2F\1", name.removeprefix(HUB)).split("/", 2), "", ""][:3]
    repository, at, revision = repository.partition("@")
    if not owner or not repository or "@" in owner:
        raise click.ClickException(
            f"{name} is not the name of a model: write hf:owner/name, hf:owner/name@revision, or hf:owner/name/file.pkl."
        )
    revision = unquote(revision)
    if at and not REVISION.fullmatch(revision):
        raise click.ClickException(
            f"{name} has the revision {revision!r}, which is not a branch, tag or commit: write one after the @, as in "
            f"hf:{owner}/{repository}@main, or leave out the @."
        )
    return _HubName(f"{owner}/{repository}", revision or None, file)


def _from_hub(name: str) -> Path:
    from huggingface_hub import HfApi, hf_hub_download  # imported late: few need it
    from huggingface_hub.errors import HfHubHTTPError, RevisionNotFoundError

    from generate.model.hub_limits import HubLimits

    asked = _read_name(name)
    limits = HubLimits(LARGEST_LIST)
    limits.apply()
    try:
        info = HfApi().model_info(asked.repository, revision=asked.revision, files_metadata=True, timeout=TIMEOUT_S)
    except RevisionNotFoundError:
        raise click.ClickException(
            f"{HUB}{asked.repository} has no branch, tag or commit {asked.revision!r}: its page on the hub lists them under Files."
        ) from None
    except Exception as error:  # the network's libraries raise many kinds
        answered = isinstance(error, HfHubHTTPError) and error.response.status_code < 500
        cached = None if answered else _newest_cached(name, asked)
        if cached is None:
            raise
        click.echo(
            f"{name}: the hub does not answer, so the cached copy in {cached.parent if asked.file else cached} is used."
        )
        return cached
    sizes = {sibling.rfilename: sibling.size for sibling in info.siblings or []}
    wanted = _wanted(name, asked.file, sizes)
    home = _home() / f"{asked.folder}@{(info.sha or 'unknown')[:12]}"
    for one in wanted:
        limits.largest = sizes[one] or 0
        hf_hub_download(asked.repository, one, revision=info.sha, local_dir=home)
    path = home / asked.file if asked.file else _only(home)
    record = _record_of(path) if asked.file else home / SOURCE
    names = (_read_source(record) or {}).get("names", {}) | {name: time.time()}
    _write_source(record, {"from": name, "revision": info.sha, "sha256": _digests(home, wanted), "names": names})
    return path


def _wanted(name: str, file: str, there: dict[str, int | None]) -> list[str]:
    """Choose among a repository's files, given with their sizes: that file and its configuration, or what any family needs.

    Raises click.ClickException if the model is not there, is one of several, or too large.
    """
    if file:
        beside = [(Path(file).parent / config).as_posix() for config in CONFIGS]
        wanted = [one for one in there if one == file or one in beside]
    else:
        wanted = [one for one in there if "/" not in one and any(fnmatch(one, pattern) for pattern in FILES)]
    if not wanted or (file and file not in there):
        raise click.ClickException(
            f"{name} has {f'no {file}' if file else 'no weights'}: it has {', '.join(sorted(there)) or 'no files'}."
        )
    if "model.safetensors" in wanted and not file:
        wanted = [one for one in wanted if one != "pytorch_model.bin"]  # the same weights
    if "generator.safetensors" in wanted and not file:  # ours: only training needs the discriminator, half of the bytes
        wanted = [one for one in wanted if one != "discriminator.safetensors"]
    single = [one for one in wanted if Path(one).suffix in SINGLE_FILES]
    if not file and len(single) > 1 and not any(one.endswith(".safetensors") for one in wanted):
        raise click.ClickException(f"{name} has {len(single)} models: name one, as in {name}/{min(single)}.")
    if unsized := [one for one in wanted if there[one] is None]:
        raise click.ClickException(
            f"{name} does not say how large {unsized[0]} is: download it yourself and give its path."
        )
    _check_size(name, sum(there[one] or 0 for one in wanted))
    return wanted


def _newest_cached(name: str, asked: _HubName) -> Path | None:
    """Return the last complete download of the same name or commit, None if there is none; SOURCE is written last."""
    found = []
    for home in _home().glob(f"{asked.folder}@*"):
        record = _record_of(home / asked.file) if asked.file else home / SOURCE
        source = _read_source(record) or {}
        names = source.get("names", {})  # when each was fetched
        commit = COMMIT.fullmatch(asked.revision or "") and source.get("revision", "").startswith(str(asked.revision))
        if (name in names or commit) and all((home / one).is_file() for one in source.get("sha256", {})):
            found.append((names.get(name, 0.0), record, source))
    if not found:
        return None
    _, record, source = max(found, key=lambda one: one[0])
    _write_source(record, source | {"from": name})
    return record.parent / Path(asked.file).name if asked.file else _only(record.parent)


def _from_web(url: str) -> Path:
    name = Path(unquote(urlsplit(url).path)).name or "model"
    home = _home() / hashlib.sha256(url.encode()).hexdigest()[:16]
    path = home / name
    if not path.exists():
        with answer_to(url) as answer:
            answer.raise_for_status()
            length = int(answer.headers.get("Content-Length") or 0)
            _check_size(url, length)
            home.mkdir(parents=True, exist_ok=True)
            with (
                atomic_path(path) as temporary,
                temporary.open("wb") as opened,
                tqdm(total=length or None, desc="fetch", unit="B", unit_scale=True, disable=None) as bar,
            ):
                for chunk in answer.iter_content(CHUNK):
                    opened.write(chunk)
                    bar.update(len(chunk))
                    _check_size(url, opened.tell())
                if length and opened.tell() != length and "Content-Encoding" not in answer.headers:
                    raise OSError(f"{opened.tell()} of {length} bytes came")
    _write_source(home / SOURCE, {"from": url, "sha256": _digests(home, [name])})
    return path


def _only(home: Path) -> Path:
    """Return the folder, or the file if one file in it is the complete model."""
    single = [path for path in home.iterdir() if path.suffix in SINGLE_FILES]
    return single[0] if len(single) == 1 and not list(home.glob("*.safetensors")) else home


def _check_size(name: str, size: int) -> None:
    if size > LARGEST:
        raise click.ClickException(
            f"{name} is {size_text(size)}, over the limit of {size_text(LARGEST)}: download it yourself and give its path."
        )


def _home() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    home = Path(base) / "this-stuff-does-not-exist"
    home.mkdir(parents=True, exist_ok=True)
    return home


def _digests(home: Path, names: list[str]) -> dict[str, str]:
    digests = {}
    for name in sorted(names):
        with (home / name).open("rb") as file:
            digests[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return digests


def _read_source(record: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _write_source(record: Path, source: dict[str, Any]) -> None:
    write_text(record, json.dumps(source, indent=2) + "\n")
