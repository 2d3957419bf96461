"""Three published layouts are one network, whose pictures are the original implementation's; hostile files are a sentence each."""

from __future__ import annotations

import io
import json
import os
import pickle
import pickletools
import random
import struct
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from generate.model.stylegan2.layouts import read_published
from generate.model.stylegan2.pickles import Refused
from generate.model.stylegan2.weights import build_generator
from tests.conftest import ROOT
from tests.published import Example, Reduced, example, stand_ins, write_ada, write_flax, write_tensorflow

WRITERS = {
    ("ada", "unconditional"): write_ada,
    ("ada", "conditional"): write_ada,
    ("flax", "unconditional"): write_flax,
    ("flax", "conditional"): write_flax,
    ("tensorflow", "unconditional"): write_tensorflow,
}


@pytest.mark.parametrize(("layout", "kind"), WRITERS, ids=map("-".join, WRITERS))
def test_pictures_are_the_original_implementation_s(tmp_path, layout, kind):
    found = example(kind)

    published = read_published(WRITERS[layout, kind](tmp_path / "network.pkl", found))

    generator = build_generator(published.arrays, published.clamp)
    numbers = None if found.numbers is None else torch.tensor(found.numbers)
    with torch.inference_mode():
        w = generator.mapping(torch.from_numpy(found.latents), numbers)
        for truncation, expected in found.pictures.items():
            drawn = torch.lerp(generator.mapping.means(numbers).expand_as(w), w, truncation)
            pictures = generator.synthesis(drawn[:, None].expand(-1, generator.options.layers, -1))
            assert np.abs(pictures.numpy() - expected).max() < 1e-5


@pytest.mark.parametrize("protocol", [2, 3, 5])
@pytest.mark.parametrize(("layout", "kind"), WRITERS, ids=map("-".join, WRITERS))
def test_every_version_of_python_writes_the_same_arrays(tmp_path, layout, kind, protocol):
    """Sets, arrays and bytes differ between the protocols of Python 2, 3.7, 3.8 and 3.14."""
    write = WRITERS[layout, kind]

    usual, other = (
        read_published(write(tmp_path / f"{number}.pkl", example(kind), number)).arrays for number in (4, protocol)
    )

    assert usual.keys() == other.keys()
    assert all(np.array_equal(usual[name], other[name]) for name in usual)


def test_what_training_left_in_a_flax_file_is_passed_over(tmp_path):
    with stand_ins("optax._src.transform.ScaleByAdamState", "training_utils.TrainStateG") as (adam, train_state):
        state = Reduced(train_state, (Reduced(adam, (np.zeros(3),)),))
        path = write_flax(tmp_path / "food.pkl", example("unconditional"), state_G=state)

    assert read_published(path).layout == "StyleGAN2 in Flax"


def test_noise_in_bfloat16_is_widened(tmp_path):
    """Flax has it in the layers that are computed so."""
    found = example("unconditional")
    name = "synthesis.b32.conv1.noise_const"
    short = (found.arrays[name].view(np.uint32) >> 16).astype(np.uint16)
    path = write_flax(tmp_path / "network.pkl", replace(found, arrays=found.arrays | {name: short}))
    with stand_ins("ml_dtypes.bfloat16") as (bfloat16,):
        changed = path.read_bytes().replace(pickle.dumps("u2", 4)[11:-1], pickle.dumps(bfloat16, 4)[11:-1])
    path.write_bytes(changed)

    read = read_published(path).arrays[name]

    assert np.abs(read - found.arrays[name]).max() < 0.02
    assert read.dtype == np.float32


@pytest.mark.parametrize(
    ("part", "options", "what"),
    [
        ("synthesis_kwargs", {"architecture": "resnet"}, "architecture 'resnet'"),
        ("mapping_kwargs", {"lr_multiplier": 0.1}, "lr_multiplier"),
        ("mapping_kwargs", {"activation": "relu"}, "activation 'relu'"),
    ],
)
def test_another_network_than_ours_is_named(tmp_path, part, options, what):
    found = example("unconditional")
    changed = found.options | {part: found.options[part] | options}

    with pytest.raises(Refused, match=what):
        read_published(write_ada(tmp_path / "network.pkl", replace(found, options=changed)))


def test_a_tensorflow_network_joins_latent_and_category_before_it_normalizes(tmp_path):
    found = example("conditional")
    arrays = {name.removeprefix("mapping."): array.astype(np.float64) for name, array in found.arrays.items()}

    published = read_published(write_tensorflow(tmp_path / "network.pkl", found))

    x = np.concatenate([found.latents, np.eye(3)[found.numbers] @ arrays["embed.weight"].T], axis=1)
    x /= np.sqrt((x**2).mean(axis=1, keepdims=True) + 1e-8)
    for layer in range(sum(name.startswith("fc") for name in arrays) // 2):
        weight, bias = arrays[f"fc{layer}.weight"], arrays[f"fc{layer}.bias"]
        x = x @ weight.T * (0.01 / np.sqrt(weight.shape[1])) + 0.01 * bias
        x = np.where(x < 0, 0.2 * x, x) * np.sqrt(2)
    mapping = build_generator(published.arrays, published.clamp).mapping
    w = mapping(torch.from_numpy(found.latents).float(), torch.tensor(found.numbers))
    assert np.abs(w.numpy() - x).max() < 1e-5


@pytest.mark.parametrize(
    ("kind", "options", "sentence"),
    [
        ("conditional", {"label_size": 4}, "has weights of 3 categories, which is not its label_size"),
        ("unconditional", {"label_size": 4}, "has weights of 0 categories, which is not its label_size"),
        ("conditional", {"normalize_latents": False}, "normalize_latents False"),
        ("unconditional", {"architecture": "orig"}, "architecture 'orig'"),
    ],
)
def test_another_tensorflow_network_is_named(tmp_path, kind, options, sentence):
    with pytest.raises(Refused, match=sentence):
        read_published(write_tensorflow(tmp_path / "network.pkl", example(kind), **options))


def test_another_filter_is_named(tmp_path):
    found = example("unconditional")
    name = "synthesis.b8.conv0.resample_filter"

    with pytest.raises(Refused, match="filter"):
        read_published(
            write_ada(tmp_path / "n.pkl", replace(found, arrays=found.arrays | {name: np.ones((4, 4), "f4")}))
        )


# Hostile files


def run(command: str) -> Reduced:
    """What runs a command of the shell in anything that trusts pickles."""
    return Reduced(os.system, (command,))


def saved(obj: object, count: int, numbers: bytes) -> bytes:
    """As torch.save wrote storages until 1.6, with this object in it."""
    parts = (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, obj, ["0"])
    return b"".join(pickle.dumps(part, 2) for part in parts) + struct.pack("<q", count) + numbers


def with_storage(path: Path, storage: bytes, size: tuple[int, ...] = (16,), stride: tuple[int, ...] = (1,)) -> None:
    """A snapshot of which w_avg's tensor is made of this storage."""
    load = torch.storage._load_from_bytes
    tensor = Reduced(torch._utils._rebuild_tensor_v2, (Reduced(load, (storage,)), 0, size, stride, False, {}))
    write_ada(path, example("unconditional"), more={"mapping.w_avg": tensor})


class Key:
    """A persistent id in `storage_of`."""

    def __init__(self, count: int) -> None:
        self.count = count


def storage_of(count: int, numbers: bytes) -> bytes:
    """A storage that claims so many numbers and has these."""
    stream = io.BytesIO()

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj):
            return ("storage", torch.FloatStorage, "0", "cpu", obj.count, None) if isinstance(obj, Key) else None

    Pickler(stream, 2).dump(Key(count))
    return saved(None, count, numbers).replace(pickle.dumps(None, 2), stream.getvalue(), 1)


def evil_files(folder: Path) -> dict[str, str]:
    """Hostile files in the folder, and what the sentence about each is to have in it."""
    marker = f"touch {folder / 'ran'}"
    good = example("unconditional")
    whole = write_ada(folder / "good.pkl", good).read_bytes()
    big = 10 * 2**30

    def put(name: str, tree: object) -> None:
        (folder / name).write_bytes(pickle.dumps(tree, 4))

    put("reduce.pkl", {"G_ema": run(marker)})
    put("eval.pkl", [Reduced(eval, ("__import__('os').abort()",))])
    put("class.pkl", {"G_ema": subprocess.Popen.__new__(subprocess.Popen)})
    put("beside.pkl", {"G_ema": {}, "D": Path("/etc/passwd")})
    write_ada(folder / "inside.pkl", good, more={"synthesis.hidden": run(marker)})
    with_storage(folder / "nested.pkl", saved(run(marker), 16, bytes(64)))
    zipped = io.BytesIO()
    torch.save(torch.zeros(16), zipped)
    with_storage(folder / "zip.pkl", zipped.getvalue())
    with_storage(folder / "header.pkl", storage_of(big // 4, bytes(64)))
    with_storage(folder / "size.pkl", storage_of(16, bytes(64)), (big // 4,), (0,))
    with_storage(folder / "stride.pkl", storage_of(16, bytes(64)), (16,), (1000,))
    with_storage(folder / "negative.pkl", storage_of(16, bytes(64)), (16,), (-1,))
    (folder / "bytes.pkl").write_bytes(b"\x80\x04\x8e" + struct.pack("<Q", big) + b"abc.")
    (folder / "long.pkl").write_bytes(b"\x80\x04\x8b" + struct.pack("<i", 2**31 - 1) + b"abc.")
    (folder / "memo.pkl").write_bytes(b"\x80\x04]r\xff\xff\xff\xff" * 2 + b".")
    (folder / "many.pkl").write_bytes(b"\x80\x04" + b"}" * 2_000_000 + b".")
    (folder / "alias.pkl").write_bytes(_aliased(good))
    (folder / "loop.pkl").write_bytes(_endless())
    (folder / "empty.pkl").write_bytes(b"")
    (folder / "marks.pkl").write_bytes(b"\x80\x04" + b"N" * 200_000 + b"(t" * 100_000 + b".")
    long = b"X" + struct.pack("<I", 1_000_000) + b"flax." + b"a" * 999_995 + b"\x94"
    (folder / "name.pkl").write_bytes(b"\x80\x04" + long + b"h\x00\x93" + b"h\x00h\x00\x93" * 100_000 + b".")
    one, other = tower(), tower()
    with_storage(folder / "shapes.pkl", storage_of(16, bytes(64)), (one, other), (1, 1))
    with_storage(folder / "keys.pkl", saved(None, 16, bytes(64)))
    put("towers.pkl", {"G_ema": {"state": {"_init_kwargs": {"architecture": one, "resample_kernel": [one, other]}}}})
    shape = np.zeros(16, "f4")
    flax = write_flax(folder / "flax.pkl", replace(good, arrays=good.arrays | {"mapping.w_avg": shape})).read_bytes()
    assert flax.count(b"K\x10\x85") > 1
    (folder / "flax.pkl").write_bytes(
        flax.replace(b"K\x10\x85", b"J\xff\xff\xff\x7f\x85")
    )  # (16,) becomes (2**31 - 1,)
    for tenth in range(10):
        (folder / f"cut{tenth}.pkl").write_bytes(whole[: len(whole) * tenth // 10 + 7])
    return {
        "reduce.pkl": "posix.system",
        "eval.pkl": "builtins.eval",
        "class.pkl": "subprocess.Popen",
        "beside.pkl": "pathlib.PosixPath",
        "inside.pkl": "posix.system",
        "nested.pkl": "posix.system",
        "zip.pkl": "zip archive",
        "header.pkl": "2,684,354,560 numbers but holds 16",
        "size.pkl": "2,684,354,560 numbers but holds 16",
        "stride.pkl": "damaged",
        "negative.pkl": "damaged",
        "bytes.pkl": "announces 10,737,418,240 bytes but holds 4",
        "long.pkl": "announces 2,147,483,647 bytes but holds 4",
        "memo.pkl": "damaged",
        "many.pkl": "more than 500,000 instructions",
        "alias.pkl": "more numbers than it contains",
        "loop.pkl": "endlessly nested",
        "empty.pkl": "damaged",
        "marks.pkl": "damaged",
        "name.pkl": "asks for",
        "shapes.pkl": "nests tuples",
        "keys.pkl": "torch.save did not write",
        "towers.pkl": "nests tuples",
        "flax.pkl": "2,147,483,647 numbers but holds 16",
        **{f"cut{tenth}.pkl": "damaged" for tenth in range(10)},
    }


def tower() -> tuple:
    """A tuple of twice the same tuple, of twice the same, sixty times over: to hash or to show it takes for ever."""
    built: tuple = ("ground",)
    for _ in range(60):
        built = (built, built)
    return built


def _aliased(found: Example) -> bytes:
    """A hundred parameters of one storage of 4 MB."""
    one = torch.nn.Parameter(torch.zeros(1_000_000))
    with stand_ins("torch_utils.persistence._reconstruct_persistent_obj") as (rebuild,):
        conv1 = {"state": {"_parameters": {}, "_buffers": {}, "_modules": {}}}
        b4 = {"state": {"_parameters": {}, "_buffers": {}, "_modules": {"conv1": Reduced(rebuild, (conv1,))}}}
        inner = {"_parameters": {}, "_buffers": {}, "_modules": {"b4": Reduced(rebuild, (b4,))}}
        synthesis = Reduced(rebuild, ({"state": inner},))
        state = {
            "_parameters": {f"p{i}": one for i in range(100)},
            "_buffers": {},
            "_modules": {"synthesis": synthesis},
            "_init_kwargs": {},
        }
        return pickle.dumps({"G_ema": Reduced(rebuild, ({"state": state},))}, 4)


def _endless() -> bytes:
    """Modules, each of which has the same module twice, which has itself."""
    state: dict = {"_parameters": {}, "_buffers": {}, "_modules": {}, "_init_kwargs": {}}
    module = {"state": state}
    state["_modules"] |= {"synthesis": module, "b4": module, "conv1": module}
    return pickle.dumps({"G_ema": module}, 4)


READ_ALL = """
import json, resource, sys
from pathlib import Path
from generate.model.stylegan2.layouts import read_published
from generate.model.stylegan2.pickles import Refused

pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + 300 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
said = {}
for path in map(Path, sys.argv[1:]):
    try:
        said[path.name] = str(read_published(path))
    except Refused as reason:
        said[path.name] = f"refused: {reason}"
print(json.dumps(said))
"""


def test_hostile_files_are_a_sentence_each_within_bounded_memory(tmp_path):
    expected = evil_files(tmp_path)
    command = [sys.executable, "-c", READ_ALL, *(str(tmp_path / name) for name in expected)]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)

    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said.keys() == expected.keys()
    for name, what in expected.items():
        assert said[name].startswith("refused: "), name
        assert what in said[name], name
        assert len(said[name]) < 250
        assert "\n" not in said[name]
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(("layout", "kind"), WRITERS, ids=map("-".join, WRITERS))
def test_whatever_is_changed_in_a_file_it_is_read_or_refused(tmp_path, layout, kind):
    """Instructions and their short arguments are changed, not the numbers of the arrays."""
    whole = WRITERS[layout, kind](tmp_path / "whole.pkl", example(kind)).read_bytes()
    starts = [position for _, _, position in pickletools.genops(whole)]
    places = [at for start, end in pairwise(starts) if end - start < 64 for at in range(start, end)]
    chance, refused = random.Random(0), 0
    for _ in range(60):
        data = bytearray(whole)
        for at in chance.sample(places, 3):
            data[at] = chance.randrange(256)
        (tmp_path / "changed.pkl").write_bytes(data)
        try:
            found = read_published(tmp_path / "changed.pkl")
            build_generator(found.arrays, found.clamp)
        except Refused:
            refused += 1
    assert refused > 10


def test_the_source_in_a_snapshot_is_never_run(tmp_path):
    path = write_ada(tmp_path / "network.pkl", example("unconditional"))

    assert b"raise SystemExit" in path.read_bytes()
    assert read_published(path).arrays
