"""The arrays of NumPy, PyTorch and JAX in a pickle, as read-only views of the file's bytes.

A tensor's header may claim any size, so it is checked against the available bytes before anything is allocated.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from math import prod
from typing import Any

import numpy as np

from generate.model.stylegan2.pickles import Made, Name, Refused, Source, read_pickle

Array = np.ndarray[Any, np.dtype[Any]]

BFLOAT16 = "bfloat16"  # NumPy lacks it: read as uint16, then converted to float32
MOST_DIMENSIONS, LARGEST = 8, 2**40
TORCH_MAGIC, TORCH_VERSION = 0x1950A86A20F9469CFC6C, 1001  # torch.save's first two pickles before 1.6

STORAGES = {
    "torch.DoubleStorage": "f8",
    "torch.FloatStorage": "f4",
    "torch.HalfStorage": "f2",
    "torch.BFloat16Storage": BFLOAT16,
    "torch.LongStorage": "i8",
    "torch.IntStorage": "i4",
    "torch.ShortStorage": "i2",
    "torch.CharStorage": "i1",
    "torch.ByteStorage": "u1",
    "torch.BoolStorage": "?",
}
NUMBERS = {"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"}
PARAMETER = "torch._utils._rebuild_parameter"
TENSOR = "torch._utils._rebuild_tensor_v2"
STORAGE = "torch.storage._load_from_bytes"
DTYPE = "numpy.dtype"
BUILT = {"numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"}
BUFFERED = {"numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer"}
JAX = {"jax._src.array._reconstruct_array", "jax._src.device_array.reconstruct_device_array"}
BFLOAT16_NAMES = {"ml_dtypes.bfloat16", "builtins.bfloat16", "jaxlib.xla_extension.bfloat16"}
NAMES = {
    *(PARAMETER, TENSOR, STORAGE, DTYPE, *BUILT, *BUFFERED, *JAX, *BFLOAT16_NAMES),
    *("numpy.ndarray", "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"),
}


@dataclass(frozen=True)
class Storage:
    """The bytes of a tensor, and NumPy's code of its dtype."""

    data: memoryview
    type: str


def is_array(value: object) -> bool:
    """True if unpickling it would make an array."""
    return isinstance(value, Made) and str(value.of) in {PARAMETER, TENSOR, *BUILT, *BUFFERED, *JAX}


def read_array(value: object) -> Array:
    """Return the array that unpickling would make. Raises Refused if it is not an array or is incomplete."""
    if not isinstance(value, Made):
        raise Refused(f"holds a {type(value).__name__} where an array is expected")
    try:
        return _read(value)
    except Refused:
        raise
    except Exception:  # the file may hold anything
        raise Refused(f"holds an array ({value.of}) that is damaged") from None


def _read(made: Made) -> Array:
    of = str(made.of)
    if of == PARAMETER:
        return read_array(made.arguments[0])
    if of == TENSOR:
        storage, offset, shape, strides = made.arguments[:4]
        if not isinstance(storage, Storage):
            raise TypeError("a tensor without a storage")
        return _view(storage.data, storage.type, shape, offset=offset, strides=strides)
    if of in JAX:  # NumPy's function, its arguments, its state
        return _built(made.arguments[2])
    if of in BUILT:
        return _built(made.state)
    if of in BUFFERED:
        data, dtype, shape, order = made.arguments
        return _view(memoryview(data), _type(dtype), shape, order=order)
    raise Refused(f"holds a {of} where an array is expected")


def _built(state: tuple[Any, ...]) -> Array:
    _, shape, dtype, in_fortran_order, data = state
    return _view(memoryview(data), _type(dtype), shape, order="F" if in_fortran_order else "C")


def _type(dtype: Made) -> str:
    """Return NumPy's code of a pickled dtype, which has a code like "f4" as its argument and its byte order in its state."""
    code = dtype.arguments[0]
    if str(dtype.of) != DTYPE:
        raise TypeError("no dtype")
    if isinstance(code, Name):
        if str(code) in BFLOAT16_NAMES:
            return BFLOAT16
        raise Refused(f"holds numbers of the type {code}, which such files don't need")
    if not isinstance(code, str) or code not in NUMBERS:
        raise Refused("holds numbers of a type that such files don't need")
    big = isinstance(dtype.state, tuple) and dtype.state[1] == ">"
    return f"{'>' if big else '<'}{code}"


def _view(
    data: memoryview,
    type: str,
    shape: tuple[int, ...],
    *,
    offset: int = 0,
    strides: tuple[int, ...] | None = None,
    order: str = "C",
) -> Array:
    """View `data` from `offset` on as an array of this shape; offset and strides count elements."""
    dtype = np.dtype("<u2" if type == BFLOAT16 else type)
    for number in (*shape, offset, *(strides or ())):
        if not isinstance(number, int) or not 0 <= number < LARGEST:
            raise ValueError("impossible shape")
    if len(shape) > MOST_DIMENSIONS:
        raise ValueError("too many dimensions")
    asked, there = offset + prod(shape), data.nbytes // dtype.itemsize
    if asked > there:
        raise Refused(f"describes an array of {asked:,} numbers but holds {there:,}")
    steps = None if strides is None else tuple(step * dtype.itemsize for step in strides)
    seen = np.ndarray(shape, dtype, data, offset * dtype.itemsize, steps, "F" if order == "F" else "C")
    if type == BFLOAT16:  # the upper half of a float32
        return (seen.astype(np.uint32) << 16).view(np.float32)
    return seen


@dataclass(frozen=True)
class _Reference:
    """A persistent id of torch.save."""

    kind: str
    key: str
    count: int


def _reference(identity: Any) -> _Reference:
    word, kind, key, _place, count, view = identity
    typed = isinstance(kind, Name) and isinstance(key, str) and isinstance(count, int)
    if word != "storage" or view is not None or not typed:
        raise ValueError("a persistent id of another kind")
    return _Reference(str(kind), key, count)


def read_storage(data: bytes) -> Storage:
    """Read a storage in torch.save's format before 1.6, which pickled tensors contain.

    Five pickles (magic number, version, system, the reference, its key), then a count and the numbers. Raises Refused.
    """
    if data[:2] == b"PK":
        raise Refused("holds a tensor as a zip archive, which is not supported in a pickle")
    source = Source(BytesIO(data))
    magic, version, system, found, keys = (
        read_pickle(source, STORAGES.__contains__, persistent=_reference) for _ in range(5)
    )
    if magic != TORCH_MAGIC or version != TORCH_VERSION or not isinstance(found, _Reference):
        raise Refused("holds a tensor that torch.save did not write")
    if (
        not isinstance(keys, list)
        or keys != [found.key]
        or not isinstance(system, dict)
        or not system.get("little_endian")
    ):
        raise Refused("holds a tensor in an unsupported form")
    count, type = int.from_bytes(source.read(8), "little"), STORAGES[found.kind]
    numbers = memoryview(data)[source.position :]
    size = np.dtype("<u2" if type == BFLOAT16 else type).itemsize
    if count != found.count or count > numbers.nbytes // size:
        raise Refused(f"describes a tensor of {max(count, found.count):,} numbers but holds {numbers.nbytes // size:,}")
    return Storage(numbers[: count * size], type if type == BFLOAT16 else f"<{type}")
