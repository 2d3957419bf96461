"""Say what a file is that no family reads, and what to do with it.

foreign_file(Path("food-512.pkl"))  # "is a web page, not a model: ..." if the download went wrong, "" if it may be a model
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

from generate.formats import sniff

HEAD = 1024  # bytes
UNPACK = "unpack it, and give the file in it"
NOT_READ = "which is not read: docs/models.md lists the models that are"
SIGNATURES = (  # where, which bytes; what the file is
    (0, b"\x1f\x8b", f"packed with gzip: {UNPACK}"),
    (0, b"BZh", f"packed with bzip2: {UNPACK}"),
    (0, b"\xfd7zXZ\0", f"packed with xz: {UNPACK}"),
    (0, b"\x28\xb5\x2f\xfd", f"packed with zstd: {UNPACK}"),
    (0, b"7z\xbc\xaf\x27\x1c", f"packed with 7-Zip: {UNPACK}"),
    (0, b"Rar!", f"packed with RAR: {UNPACK}"),
    (257, b"ustar", f"a tar archive: {UNPACK}"),
    (0, b"version https://git-lfs", "a pointer to a file in Git LFS, not the file: run git lfs pull"),
    (0, b"\x89HDF\r\n\x1a\n", f"a model of Keras, {NOT_READ}"),
    (0, b"GGUF", f"a model of llama.cpp, {NOT_READ}"),
    (4, b"TFL3", f"a model of TensorFlow Lite, {NOT_READ}"),
)
PAGES = (b"<!doctype html", b"<html")
MEMBERS = {
    "constants.pkl": "TorchScript",
    "model.weights.h5": "Keras",
    "data.pkl": "",
}  # files in zip archives of programs
WEIGHTS = (  # how a weight's name, or a part of it, begins; whose it is
    ("model.diffusion_model.", "Stable Diffusion"),
    ("lora_", "a LoRA for a diffusion model"),
    ("time_embedding.", "a diffusion model"),
    ("time_embed.", "a diffusion model"),
    ("text_model.", "a text encoder"),
    ("decoder.convs.", "an encoder for StyleGAN2, such as pSp's"),
    ("feat_8.", "FastGAN"),
    ("style_mlp.", "BasicSR, such as GFPGAN's"),
    ("output_layer.0.gain", "BigGAN-PyTorch"),
)
CLASS = ("_class_name", "architectures", "model_type")  # what configurations on the hub call the network


def foreign_file(path: Path) -> str:
    """Return what the file is and what to do, for a sentence that begins with its name, or "" if it may be a model."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    if not head:
        return "is empty: download it again."
    if head[8:9] == b"{":
        return ""  # a .safetensors, which begins with a number: any bytes
    if head.lstrip().lower().startswith(PAGES):
        return "is a web page, not a model: open it in a browser, and download the file that it offers."
    for at, signature, what in SIGNATURES:
        if head[at:].startswith(signature):
            return f"is {what}."
    if path.suffix.lower() == ".onnx":
        return f"is an ONNX graph, {NOT_READ}."
    if sniff(head):
        return f"is a picture ({sniff(head)}), not a model."
    return _foreign_archive(path) if zipfile.is_zipfile(path) else ""


def _foreign_archive(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        names = {name.rpartition("/")[2] for name in archive.namelist()}
    program = next((program for member, program in MEMBERS.items() if member in names), None)
    if program is None:
        return f"is a zip archive: {UNPACK}."
    return f"is a model of {program}, {NOT_READ}." if program else ""


def foreign_weights(names: Sequence[str]) -> str:
    """Return whose weights have these names, or "" if that is not known."""
    for beginning, whose in WEIGHTS:
        if any(name.startswith(beginning) or f".{beginning}" in name for name in names):
            return whose
    return ""


def class_beside(path: Path) -> str:
    """Return what the configuration beside a file calls its network, or ""."""
    try:
        config = json.loads((path.parent / "config.json").read_text(encoding="utf-8"))
        found = next(config[key] for key in CLASS if config.get(key))
        return str(found[0] if isinstance(found, list) else found)[:60]
    except (OSError, ValueError, AttributeError, RecursionError, StopIteration):
        return ""
