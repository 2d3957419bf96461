"""Read a pickle as data, without importing or running anything that it names.

tree = read_pickle(Source(open("numbers.pkl", "rb")), allowed=lambda name: False)

A pickle is a program for a stack machine, whose instructions REDUCE, BUILD and NEWOBJ call whatever Python object the
file names. Here `pickletools.genops` decodes the instructions, and the machine below builds dictionaries, lists and numbers
from them. An allowed name becomes a `Name` (two strings), and a call of it becomes a `Made`, a record of the call. Everything
else raises `Refused`.

Values are not hashed, compared or printed before their type is known: a tuple of the same two tuples, nested sixty deep, is
short to write and takes forever to hash. Such a tuple is refused, since other readers of the file do hash it.
"""

from __future__ import annotations

import os
import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO

MOST_INSTRUCTIONS = 500_000  # a published StyleGAN2 has about 50,000; each may cost a hundred bytes of memory
LARGEST_KEY = 2**32  # larger integers allow hash collisions
LONGEST_NAME = 200  # characters
LARGEST_TUPLE = 10_000  # values in a tuple, those of the tuples in it included
LONGEST_LINE = 1000  # bytes of an argument that ends with a newline
MARK = object()

Call = Callable[..., object]


class Refused(Exception):
    """Why a file is refused, as the end of a sentence that begins with its name."""


@dataclass(frozen=True, slots=True)
class Name:
    """A name that a pickle would import."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(slots=True)
class Made:
    """The object that a pickle would make by calling `of` with these arguments and setting this state."""

    of: Name
    arguments: tuple[Any, ...]
    state: Any = None
    items: dict[Any, Any] = field(default_factory=dict)


class Source:
    """A file that never allocates more than it contains, whatever length it claims."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.position = file.tell()
        self.size = file.seek(0, os.SEEK_END)
        file.seek(self.position)

    def tell(self) -> int:
        return self.position

    def read(self, size: int) -> bytes:
        """Return exactly `size` bytes, or none at the end, where `genops` looks for the next instruction."""
        left = self.size - self.position
        if not 0 <= size <= max(left, 1):
            raise Refused(f"is cut off or damaged: it announces {size:,} bytes but holds {left:,}")
        read = self.file.read(size)
        self.position += len(read)
        return read

    def readline(self) -> bytes:
        line = self.file.readline(LONGEST_LINE)
        self.position += len(line)
        return line


def read_pickle(
    source: Source,
    allowed: Callable[[str], bool],
    calls: dict[str, Call] | None = None,
    persistent: Call | None = None,
) -> Any:
    """Read the next pickle of a source as dict, list, tuple, str, bytes, numbers, `Name` and `Made`.

    Only `allowed` names may occur. `calls` maps some of them to functions that are called in their place. `persistent` is
    called with each persistent id; without it none may occur. Raises Refused.
    """
    machine = _Machine(allowed, calls or {}, persistent)
    position = source.tell()
    try:
        for count, (instruction, argument, _) in enumerate(pickletools.genops(source)):  # type: ignore[arg-type]
            position = source.tell()
            if count >= MOST_INSTRUCTIONS:
                raise Refused(f"has more than {MOST_INSTRUCTIONS:,} instructions")
            machine.do(instruction.name, argument)
        result = machine.pop()
        if machine.stack:
            raise ValueError("more than one result")
    except Refused:
        raise
    except Exception as error:  # the file may hold anything
        raise Refused(f"is cut off, damaged or not a pickle, at byte {position:,} ({type(error).__name__})") from None
    return result


class _Machine:
    """The stack and the memo of a pickle. `do` executes one instruction."""

    def __init__(self, allowed: Callable[[str], bool], calls: dict[str, Call], persistent: Call | None) -> None:
        self.allowed, self.calls, self.persistent = allowed, calls, persistent
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.nested: dict[
            int, tuple[Any, int]
        ] = {}  # by id: tuples with tuples in them, and the number of values in all

    def do(self, instruction: str, argument: Any) -> None:
        if instruction in _SILENT:
            return
        if instruction in _LITERALS:
            self.stack.append(argument)
        elif instruction in _EMPTY:
            self.stack.append(_EMPTY[instruction]())
        elif act := _ACTIONS.get(instruction):
            act(self, argument)
        else:
            raise Refused(f"uses the instruction {instruction}, which is not allowed")

    def pop_to_mark(self) -> list[Any]:
        """Remove the values above the last mark, and the mark; return the values."""
        at = next(i for i in range(len(self.stack) - 1, -1, -1) if self.stack[i] is MARK)
        some = self.stack[at + 1 :]
        del self.stack[at:]
        return some

    def pop(self) -> Any:
        popped = self.stack.pop()
        if popped is MARK:
            raise ValueError("a mark where a value is expected")
        return popped

    def put(self, number: int | None) -> None:
        """Memorize the top of the stack under this number, or the next free one."""
        number = len(self.memo) if number is None else int(number)
        if not 0 <= number < LARGEST_KEY:
            raise ValueError("impossible memo number")
        self.memo[number] = self.stack[-1]

    def get(self, number: int) -> None:
        self.stack.append(self.memo[int(number)])

    def name(self, module: str, name: str) -> None:
        """Push the name of an object instead of importing it."""
        if not isinstance(module, str) or not isinstance(name, str):
            raise TypeError("a name that is not text")
        module = "builtins" if module == "__builtin__" else module  # Python 2's name, which protocol 2 has
        if len(module) + len(name) > LONGEST_NAME or not self.allowed(f"{module}.{name}"):
            raise Refused(f"asks for {_shown(module)}.{_shown(name)}, which is not allowed")
        self.stack.append(Name(module, name))

    def call(self) -> None:
        """REDUCE and NEWOBJ: call our replacement of the named object, or record the call."""
        arguments, of = self.pop(), self.pop()
        if not isinstance(arguments, tuple):
            raise TypeError("arguments that are not a tuple")
        if isinstance(of, Made):  # dill writes functions that were made by functions
            of = Name(of.of.module, "result")
        if not isinstance(of, Name):
            raise Refused(f"calls a {type(of).__name__}, which is not allowed")
        function = self.calls.get(str(of))
        self.stack.append(Made(of, arguments) if function is None else function(*arguments))

    def build(self) -> None:
        state, made = self.pop(), self.stack[-1]
        if not isinstance(made, Made):
            raise Refused(f"sets the state of a {type(made).__name__}, which is not allowed")
        made.state = state

    def tuple(self, values: list[Any]) -> None:
        """Push a tuple. Those with tuples in them are kept, so that their ids are not given to others."""
        made = tuple(values)
        inner = [self.nested.get(id(one), (one, len(one)))[1] for one in values if type(one) is tuple]
        if inner:
            size = len(values) + sum(inner)
            if size > LARGEST_TUPLE:
                raise Refused("nests tuples in tuples without end, which is not allowed")
            self.nested[id(made)] = made, size
        self.stack.append(made)

    def extend(self, values: list[Any]) -> None:
        into = self.stack[-1]
        if not isinstance(into, list):
            raise TypeError("values appended to something other than a list")
        into.extend(values)

    def fill(self, pairs: list[Any]) -> None:
        """Put alternating keys and values into the dictionary on top. Tuples can't be keys: hashing one may take forever."""
        into = self.stack[-1]
        items = into.items if isinstance(into, Made) else into
        if not isinstance(items, dict):
            raise TypeError("keys and values for something other than a dictionary")
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            if not isinstance(key, str | int) or (isinstance(key, int) and abs(key) >= LARGEST_KEY):
                raise Refused(f"has a {type(key).__name__} as the key of a dictionary, which is not allowed")
            items[key] = value

    def dictionary(self) -> None:
        pairs = self.pop_to_mark()
        self.stack.append({})
        self.fill(pairs)

    def refer(self) -> None:
        """A persistent id, which refers to an object stored outside the pickle."""
        if self.persistent is None:
            raise Refused("refers to objects outside the file, which is not allowed")
        self.stack.append(self.persistent(self.pop()))

    def last(self, count: int) -> list[Any]:
        return [self.pop() for _ in range(count)][::-1]


def _shown(word: str) -> str:
    return word if len(word) <= 60 and word.isprintable() else f"{word[:60]!a}..."


_SILENT = {"PROTO", "FRAME", "STOP"}
_LITERALS = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
_EMPTY: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_SET": list,  # its members are not hashed
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "MARK": lambda: MARK,
}
_ACTIONS: dict[str, Callable[[_Machine, Any], object]] = {
    "LIST": lambda m, _: m.stack.append(m.pop_to_mark()),
    "TUPLE": lambda m, _: m.tuple(m.pop_to_mark()),
    "FROZENSET": lambda m, _: m.tuple(m.pop_to_mark()),
    "TUPLE1": lambda m, _: m.tuple(m.last(1)),
    "TUPLE2": lambda m, _: m.tuple(m.last(2)),
    "TUPLE3": lambda m, _: m.tuple(m.last(3)),
    "DICT": lambda m, _: m.dictionary(),
    "APPEND": lambda m, _: m.extend([m.pop()]),
    "APPENDS": lambda m, _: m.extend(m.pop_to_mark()),
    "ADDITEMS": lambda m, _: m.extend(m.pop_to_mark()),
    "SETITEM": lambda m, _: m.fill(m.last(2)),
    "SETITEMS": lambda m, _: m.fill(m.pop_to_mark()),
    "POP": lambda m, _: m.stack.pop(),
    "POP_MARK": lambda m, _: m.pop_to_mark(),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), lambda m, number: m.put(number)),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda m, number: m.get(number)),
    "GLOBAL": lambda m, words: m.name(*words.split(" ", 1)),
    "STACK_GLOBAL": lambda m, _: m.name(*m.last(2)),
    "REDUCE": lambda m, _: m.call(),
    "NEWOBJ": lambda m, _: m.call(),
    "BUILD": lambda m, _: m.build(),
    "BINPERSID": lambda m, _: m.refer(),
}
