"""Read a published StyleGAN2 generator from a pickle of any of three layouts, as arrays named as in StyleGAN2-ADA.

published = read_published(Path("ffhq.pkl"))

- ada.py, StyleGAN2-ADA in PyTorch: a dict whose G_ema is a module with its source code.
- flax.py, This Food Does Not Exist: a dict of params_ema_G and config, written by dill.
- tensorflow.py, the original StyleGAN2: a tuple (G, D, Gs) of networks with their variables.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from generate.model.stylegan2.ada import from_ada
from generate.model.stylegan2.arrays import NAMES, STORAGE, read_storage
from generate.model.stylegan2.flax import from_flax
from generate.model.stylegan2.pickles import Call, Refused, Source, read_pickle
from generate.model.stylegan2.published import Arrays, Published
from generate.model.stylegan2.tensorflow import NETWORK, from_tensorflow, is_network

MODULE = "torch_utils.persistence._reconstruct_persistent_obj"
NAMESPACE = "argparse.Namespace"
EASY_DICT = "dnnlib.util.EasyDict"
FROZEN_DICT = "flax.core.frozen_dict.FrozenDict"
# Other names in published files: leftovers of training, read as names and never imported.
IGNORED = {
    "collections.OrderedDict",
    "_codecs.encode",
    "builtins.set",
    "builtins.getattr",
    "builtins.setattr",
    "dill._dill",
}
IGNORED_PACKAGES = (
    "dill._dill.",
    "flax.",
    "flaxmodels.",
    "jax.",
    "optax.",
    "training_utils.",
    "stylegan2.",
    "torch.nn.",
)
LARGEST_FILE = 4 * 2**30  # bytes; the largest published file has a tenth of that


def read_published(path: Path) -> Published:
    """Read the generator in a pickle of any of the three layouts, without running code from it. Raises Refused."""
    with path.open("rb") as file:
        source = Source(file)
        if source.size > LARGEST_FILE:
            raise Refused(f"is larger than {LARGEST_FILE / 2**30:.0f} GiB")
        tree = read_pickle(source, _is_allowed, _CALLS)
    try:
        return _from(tree, Arrays(room=4 * source.size))
    except Refused:
        raise
    except Exception as error:  # the file may hold anything
        raise Refused(f"is a pickle, but not of a StyleGAN2 generator in a known layout ({error!s:.80})") from None


def _from(tree: Any, arrays: Arrays) -> Published:
    if isinstance(tree, dict) and ("G_ema" in tree or "G" in tree or "class_name" in tree):
        return from_ada(tree.get("G_ema") or tree.get("G") or tree, arrays)
    if isinstance(tree, dict) and "params_ema_G" in tree:
        return from_flax(tree["params_ema_G"], arrays)
    if isinstance(tree, tuple | list) and len(tree) == 3 and all(is_network(one) for one in tree):
        return from_tensorflow(tree[2], arrays)
    raise Refused("is a pickle, but not of a StyleGAN2 generator: it has no G_ema, params_ema_G or (G, D, Gs)")


def _is_allowed(name: str) -> bool:
    known = name in NAMES or name in IGNORED or name in {MODULE, NETWORK, NAMESPACE, EASY_DICT, FROZEN_DICT}
    return known or name.startswith(IGNORED_PACKAGES)


def _as_dict() -> dict[str, Any]:
    return {}


def _encoded(text: Any, encoding: Any) -> bytes:
    """Protocol 2 writes bytes as text."""
    if not isinstance(text, str) or encoding != "latin1":
        raise ValueError("text in another encoding")
    return text.encode("latin1")


def _as_it_is(value: Any) -> Any:
    return value


_CALLS: dict[str, Call] = {
    MODULE: _as_it_is,
    STORAGE: read_storage,
    FROZEN_DICT: _as_it_is,
    EASY_DICT: _as_dict,
    "collections.OrderedDict": _as_dict,
    "_codecs.encode": _encoded,
}
