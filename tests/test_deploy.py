"""Deploying: the four ways of docs/deploy.md, each as far as it goes on one machine without an account."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner

from generate.__main__ import JOBS, main
from generate.site import PLACEHOLDER
from tests.conftest import EMOJI, PATIENCE_S, ROOT, free_port, wait_for
from tests.test_readme import DEPLOY, README, commands

DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
NEEDED = (
    "main.py",
    "gunicorn.conf.py",
    "requirements.txt",
    "gallery/",
    "web/",
    "templates/",
    "static/",
    "demo/bucket/",
)


def needs(*tools: str) -> pytest.MarkDecorator:
    """Skip where a tool is missing that the project does not install."""
    missing = [tool for tool in tools if not shutil.which(tool)]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} is not installed")


def tracked() -> list[str]:
    """The files that a checkout has."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def of_the_site() -> set[str]:
    """The files that serving needs."""
    return {name for name in tracked() if name.startswith(NEEDED)}


def gcloud(*arguments: str, **options: object) -> str:
    environment = os.environ | {"CLOUDSDK_CORE_DISABLE_PROMPTS": "1", "CLOUDSDK_CORE_PROJECT": "test"}
    done = subprocess.run(["gcloud", *arguments], env=environment, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def no_account(tmp_path, monkeypatch) -> None:
    """gcloud with settings of its own."""
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))


@needs("gcloud")
def test_gcloud_knows_every_command_and_option(tmp_path, no_account):
    lines = [words for text in (README, DEPLOY) for words in commands(text) if words[0] == "gcloud"]
    inline = [shlex.split(line) for line in re.findall(r"`(gcloud [^`]+)`", README + DEPLOY)]
    said = [f"gcloud run deploy --source . --no-cpu-throttling --set-env-vars CLOUD_STORAGE_BUCKET={PLACEHOLDER}", f"gcloud storage rsync bucket {PLACEHOLDER} --recursive"]  # fmt: skip
    given = [*map(shlex.join, [*lines, *inline]), *said]
    script = tmp_path / "commands.md"
    script.write_text("```sh\n" + "\n".join(given) + "\n```\n")

    checked = json.loads(gcloud("meta", "lint-gcloud-commands", f"--commands-text-file={script}"))

    assert len(checked) == len(given)
    assert [(one["command_string"], one.get("error_message")) for one in checked if not one["success"]] == []


@needs("gcloud")
def test_a_deploy_takes_what_serving_needs_and_nothing_else(no_account):
    uploaded = set(gcloud("meta", "list-files-for-upload", str(ROOT)).split())

    assert not of_the_site() - uploaded
    assert (uploaded & set(tracked())) - of_the_site() == {"Procfile", "LICENSE", "app.yaml"}


def test_what_the_commands_write_stays_out_of_git_and_of_deploys(tmp_path, tiny_run, monkeypatch):
    """The jobs run under the names that their --help gives."""
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    ignoring = {name: shutil.copy(ROOT / name, tmp_path) for name in (".gitignore", ".gcloudignore")}
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_run, "runs/mine")
    Path("bucket").mkdir()
    Path("pineapple.site/photos").mkdir(parents=True)
    shutil.copy(next(EMOJI.rglob("*.webp")), "pineapple.site/photos")

    for line in (
        f"collect {EMOJI} photos --min-size 32",
        "prepare photos prepared --size 32",
        "sample runs/mine samples --count 9",
        "curate samples chosen --keep 4",
        "explore runs/mine explored --seeds 0-1 --seconds 0.2 --directions 1",
        "evaluate samples prepared",
        "publish samples bucket --title 'This Emoji Does Not Exist'",
        "refill runs/mine bucket --count 2 --no-curate",
        "export runs/mine models/mine",
        "site no-such-source pineapple.site",
    ):
        result = CliRunner().invoke(main, shlex.split(line))
        assert result.exit_code == 0 or line.startswith(("export", "site")), result.output

    new = subprocess.run(["git", "status", "--porcelain"], capture_output=True, text=True, check=True).stdout
    assert new.split() == ["??", ".gcloudignore", "??", ".gitignore"]
    taken = subprocess.run(["git", "ls-files", "--others", f"--exclude-from={ignoring['.gcloudignore']}"], capture_output=True, text=True, check=True).stdout  # fmt: skip
    assert taken == ""


def test_the_names_in_help_and_readme_are_ignored():
    names = {dest for job in JOBS for example in examples_of(job) for dest in written_by(example)}
    names |= {dest for words in commands() if "generate" in words for dest in written_by(words[words.index("generate") + 1 :])}  # fmt: skip
    assert {"photos", "prepared", "runs/mine", "samples", "chosen", "explored", "models/mine", "bucket", "pineapple.site"} <= names  # fmt: skip
    for name in names:
        for ignore in (".gitignore", ".gcloudignore"):
            command = ["git", "-c", "core.excludesFile=/dev/null", "ls-files", "--others", "--ignored", f"--exclude-from={ROOT / ignore}"]  # fmt: skip
            assert is_ignored(name, command), f"{ignore} does not name {name}"


def is_ignored(name: str, command: list[str]) -> bool:
    """Whether a file in a folder of that name would be."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "init", "--quiet", folder], check=True)
        (Path(folder) / name).mkdir(parents=True)
        (Path(folder) / name / "file").touch()
        listed = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.split()
    return listed == [f"{name}/file"]


def examples_of(job: str) -> list[list[str]]:
    """The words of each example in a job's --help, from its name on."""
    text = CliRunner().invoke(main, [job, "--help"]).output
    return [shlex.split(line) for line in re.findall(rf"^ +python -m generate ({job} .+)$", text, flags=re.MULTILINE)]


def written_by(words: list[str]) -> list[str]:
    """The local folders that a command line writes to: DEST, RUN of a training, BUCKET."""
    job = main.get_command(None, words[0])
    given = job.make_context(words[0], list(words[1:]), resilient_parsing=True).params
    written = [given.get("dest"), given.get("bucket"), given.get("run") if words[0] == "train" else None]
    return [str(name) for name in written if name and not str(name).startswith("gs://")]


def test_the_linter_has_nothing_against_the_dockerfile():
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([linter, ROOT / "deploy" / "Dockerfile"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.fixture
def run_there(tmp_path) -> Iterator[Callable[..., None]]:
    """run_there(command, url, env, cwd): a server until the test ends, once it answers there."""
    processes = []

    def run(command: list[object], url: str, cwd: Path = ROOT, **environment: str) -> None:
        log = tmp_path / f"log-{len(processes)}"
        with log.open("w") as output:
            process = subprocess.Popen(
                list(map(str, command)), cwd=cwd, env=os.environ | environment, stdout=output, stderr=output
            )
        processes.append(process)
        wait_for(url, process, log)

    yield run
    for process in reversed(processes):
        process.terminate()
        process.wait(PATIENCE_S)


def instructions(name: str) -> list[str]:
    """The arguments of each of the Dockerfile's instructions of that name, lines joined."""
    return re.findall(rf"^(?:{name}) +(.+)$", DOCKERFILE.replace("\\\n", " "), flags=re.MULTILINE)


def test_the_containers_files_are_enough_and_its_health_check_works(tmp_path, run_there):
    """The steps of the Dockerfile, in a folder and with the packages at hand."""
    for words in map(str.split, instructions("COPY")):
        for source in words[:-1]:
            for name in (name for name in tracked() if name == source or name.startswith(f"{source}/")):
                target = tmp_path / "site" / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, target)
    copied = {path.relative_to(tmp_path / "site").as_posix() for path in (tmp_path / "site").rglob("*") if path.is_file()}  # fmt: skip
    assert copied == of_the_site()
    port = str(free_port())
    here = {"PORT": port, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": ""}
    start, *_ = [json.loads(words) for words in re.findall(r"^CMD (.+)$", DOCKERFILE, flags=re.MULTILINE)]
    check = json.loads(re.search(r"HEALTHCHECK .*? CMD (\[.+\])", DOCKERFILE.replace("\\\n", " "))[1])

    assert subprocess.run(check, env=os.environ | here, capture_output=True).returncode == 1
    run_there(start, f"http://127.0.0.1:{port}/", tmp_path / "site", **here)
    assert subprocess.run(check, env=os.environ | here, capture_output=True).returncode == 0
    assert requests.get(f"http://127.0.0.1:{port}/static/favicon.ico", timeout=60).status_code == 200
    assert instructions("USER") == ["65534:65534"]


@pytest.mark.slow
@needs("buildah")
def test_the_container_is_built_and_serves_as_nobody():
    base = instructions("FROM")[0]
    if subprocess.run(["buildah", "pull", "--policy", "missing", base], capture_output=True).returncode:
        pytest.skip(f"{base} can't be pulled")
    options = ["--isolation", "chroot", "--format", "docker", "--network", "host"]
    subprocess.run(["buildah", "build", *options, "--pull=missing", "-f", "deploy/Dockerfile", "-t", "site-test", "."], cwd=ROOT, check=True)  # fmt: skip
    container = subprocess.run(["buildah", "from", "--pull=never", "localhost/site-test"], capture_output=True, text=True, check=True).stdout.strip()  # fmt: skip
    port = free_port()
    try:
        shown = json.loads(subprocess.run(["buildah", "inspect", container], capture_output=True, text=True, check=True).stdout)["Docker"]["config"]  # fmt: skip
        assert shown["User"] == "65534:65534"
        enter = [
            "buildah",
            "run",
            "--isolation",
            "chroot",
            "--network",
            "host",
            "--env",
            f"PORT={port}",
            container,
            "--",
        ]
        process = subprocess.Popen([*enter, *shown["Cmd"]])
        try:
            deadline = time.monotonic() + PATIENCE_S
            while subprocess.run([*enter, *shown["Healthcheck"]["Test"][1:]], capture_output=True).returncode:
                assert time.monotonic() < deadline
            assert "Does Not Exist" in requests.get(f"http://127.0.0.1:{port}/", timeout=60).text
            assert subprocess.run([*enter, "id", "-u"], capture_output=True, text=True, check=True).stdout == "65534\n"
        finally:
            process.terminate()
            process.wait(PATIENCE_S)
    finally:
        subprocess.run(["buildah", "rm", container], check=True, capture_output=True)
        subprocess.run(["buildah", "rmi", "localhost/site-test"], check=True, capture_output=True)


@needs("systemd-analyze")
def test_systemd_accepts_the_unit(tmp_path):
    unit = tmp_path / "site.service"
    (added,) = re.findall(r"^    \[Service\]\n(?:    .+\n)+", DEPLOY, flags=re.MULTILINE)
    unit.write_text((ROOT / "deploy" / "site.service").read_text().replace("/opt/site/.venv/bin/gunicorn", "/bin/true"))
    (tmp_path / "site.service.d").mkdir()
    (tmp_path / "site.service.d" / "override.conf").write_text(textwrap.dedent(added))

    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)

    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    for name in re.findall(r"^Environment=([A-Z_]+)=", unit.read_text(), flags=re.MULTILINE):
        assert name in README + DEPLOY


def front_of(name: str, folder: Path, port: int, site: int) -> list[object]:
    """The command that starts the proxy with the project's file, at these ports and without a certificate."""
    if name == "caddy":
        text = (ROOT / "deploy" / "Caddyfile").read_text().replace("127.0.0.1:8080", f"127.0.0.1:{site}")
        (folder / "Caddyfile").write_text(
            text.replace("www.example.org {", f"http://127.0.0.1:{port} {{").replace("{\n", "{\n\tadmin off\n", 1)
        )
        return ["caddy", "run", "--adapter", "caddyfile", "--config", folder / "Caddyfile"]
    text = (ROOT / "deploy" / "nginx.conf").read_text().replace("127.0.0.1:8080", f"127.0.0.1:{site}")
    text = text.replace("listen 80;", f"listen 127.0.0.1:{port};").replace("listen [::]:80;", "")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    own = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log stderr;\nevents {{}}\nhttp {{ access_log off; {own}\n{text}}}\n"
    )
    return ["nginx", "-c", folder / "nginx.conf"]


@pytest.mark.parametrize("name", [pytest.param("nginx", marks=needs("nginx")), pytest.param("caddy", marks=needs("caddy"))])  # fmt: skip
def test_behind_a_proxy(tmp_path, run_there, site, name):
    inner = site(str(ROOT / "demo" / "bucket"), TRUSTED_PROXIES="1", FORWARDED_ALLOW_IPS="127.0.0.1", METRICS="1")
    port = free_port()
    run_there(
        front_of(name, tmp_path, port, int(inner.rpartition(":")[2])),
        f"http://127.0.0.1:{port}/health",
        HOME=str(tmp_path),
    )
    forged = {f"X-Forwarded-{part}": value for part, value in (("Host", "evil.example"), ("Prefix", "/evil"))}

    with requests.Session() as visitor:
        pages = [visitor.get(f"http://127.0.0.1:{port}/", headers=forged, timeout=60) for _ in range(20)]
        large = visitor.get(f"http://127.0.0.1:{port}/grid", timeout=60)

    assert {page.status_code for page in [*pages, large]} == {200}
    assert "evil" not in pages[0].text + pages[0].headers["Link"]
    assert pages[0].headers["Content-Encoding"] in ("br", "gzip")
    assert pages[0].headers["Content-Security-Policy"]
    said = requests.get(f"http://127.0.0.1:{port}/about", headers={"X-Forwarded-Proto": "https"}, timeout=60)
    assert f"http://127.0.0.1:{port}" in said.text
    assert "https://127.0.0.1" not in said.text
    statuses = [
        requests.get(f"{origin}/metrics", timeout=60).status_code for origin in (inner, f"http://127.0.0.1:{port}")
    ]
    assert statuses == [200, 404]
