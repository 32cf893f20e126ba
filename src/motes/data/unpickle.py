"""Read pickles of data sets without running code in them.

A pickle is a program.  Those of data sets need only NumPy arrays and plain containers, so this
module interprets the few opcodes that build them, and refuses every other opcode by name.  NumPy's
functions for unpickling are never called: they do not check their arguments, and a wrong byte makes
them read or write other memory.  Arrays are copied from bytes whose number matches the shape.
"""

from __future__ import annotations

import math
import os
import pickletools
import re
from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError
from typing import IO, Any

import numpy as np

from motes.errors import FileError

PLAIN_DTYPE = re.compile(r"[?biufcSUO]\d{0,6}")
MAX_DIMENSIONS = 32
MAX_GROWTH = 8
"""Limit of the data of a pickle, in sizes of its file: one buffer cannot fill many arrays."""

KEYS = str
MEMBERS = (str, bytes, int, float, type(None))
"""Types of the members of a set; hashing a nested tuple can take exponential time."""


class _Pending:
    """A dtype or an array between its creation and its state, which is set once."""

    state: Any = None

    def set_state(self, state: Any, spend: Callable[[int], None]) -> None:
        """Complete the value, once."""
        if self.state is not None:
            raise UnpicklingError("expected a state that is set once")
        self.state = self.parse(state, spend)

    def parse(self, state: Any, spend: Callable[[int], None]) -> Any:
        """The value that the state describes."""
        raise NotImplementedError


class _DType(_Pending):
    """A plain dtype; the byte order comes with its state."""

    def __init__(self, code: Any) -> None:
        if not PLAIN_DTYPE.fullmatch(_checked(code, str)):
            raise UnpicklingError(f"expected arrays of numbers or text, got dtype {code!r:.40}")
        self.plain = np.dtype(code)

    @property
    def value(self) -> np.dtype[Any]:
        """The dtype, in the byte order of the machine unless the state gives another."""
        return self.plain if self.state is None else self.state

    def parse(self, state: Any, spend: Callable[[int], None]) -> np.dtype[Any]:
        """See `_Pending.parse`."""
        _, order, subdtype, names, fields, *_ = _checked(state, tuple)
        if subdtype or names or fields:
            raise UnpicklingError("expected arrays of numbers or text, got records")
        return self.plain.newbyteorder(_checked(order, str))


class _Array(_Pending):
    """An array without content."""

    def parse(self, state: Any, spend: Callable[[int], None]) -> np.ndarray:
        """See `_Pending.parse`."""
        _, shape, dtype, fortran, data = _checked(state, tuple)
        return make_array(data, dtype, shape, "F" if fortran else "C", spend)


def make_array(
    data: Any, dtype: Any, shape: Any, order: Any, spend: Callable[[int], None]
) -> np.ndarray:
    """Copy an array from bytes or, if its elements are objects, from a list.

    Args:
        data: Bytes or list elements; their number matches the shape.
        dtype: A `_DType`.
        shape: A tuple of numbers.
        order: ``"C"`` or ``"F"``.
        spend: Called with the number of bytes or elements that are copied.

    Raises:
        UnpicklingError: An argument has another type, or the data does not match the shape.
    """
    kind, count = _checked(dtype, _DType).value, _count(shape)
    is_objects = kind.kind == "O"
    size = len(_checked(data, list if is_objects else (bytes, bytearray)))
    expected = count if is_objects else count * kind.itemsize
    if size != expected or (count and not size):
        raise UnpicklingError(f"expected {expected} bytes or elements of an array, got {size}")
    spend(size)
    if is_objects:
        flat = np.empty(count, object)
        for i, element in enumerate(data):
            flat[i] = element
    elif not size:
        return np.zeros(shape, kind)
    elif kind.kind == "b":
        flat = np.frombuffer(data, np.uint8) != 0  # NumPy assumes that a bool is 0 or 1
    else:
        flat = np.frombuffer(data, kind)
    return flat.reshape(shape, order="F" if order == "F" else "C").copy()


def _count(shape: Any) -> int:
    sizes = _checked(shape, tuple)
    if len(sizes) > MAX_DIMENSIONS or any(type(n) is not int or n < 0 for n in sizes):
        raise UnpicklingError("expected a shape: a few numbers from 0 on")
    return math.prod(sizes)


def _checked(value: Any, kind: type | tuple[type, ...]) -> Any:
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if type(value) not in kinds:
        names = " or ".join(k.__name__ for k in kinds)
        raise UnpicklingError(f"expected {names}, got {type(value).__name__}")
    return value


Spend = Callable[[int], None]


def _reconstruct(spend: Spend, *_: Any) -> _Array:
    return _Array()


def _dtype(spend: Spend, code: Any, *_: Any) -> _DType:
    return _DType(code)


def _frombuffer(spend: Spend, data: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
    return make_array(_checked(data, (bytes, bytearray)), dtype, shape, order, spend)


def _scalar(spend: Spend, dtype: Any, data: Any) -> Any:
    return make_array(_checked(data, bytes), dtype, (), "C", spend)[()]


def _bytes(spend: Spend) -> bytes:
    return b""


def _bytearray(spend: Spend, data: Any = b"", *encoding: Any) -> bytearray:
    return bytearray(data if type(data) is bytes and not encoding else _encode(spend, data))


def _encode(spend: Spend, text: Any, *_: Any) -> bytes:
    """Bytes in protocols 0 to 2: text in which every character is one byte."""
    spend(len(_checked(text, str)))
    return text.encode("latin-1")


def _set(spend: Spend, members: Any) -> set[Any]:
    spend(len(_checked(members, list)))
    return set(_members(members))


def _frozenset(spend: Spend, members: Any) -> frozenset[Any]:
    return frozenset(_set(spend, members))


def _ordered_dict(spend: Spend) -> dict[str, Any]:
    return {}


def _members(values: list[Any]) -> list[Any]:
    for value in values:
        _checked(value, (*MEMBERS, bool))
    return values


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "builtins.bytes": _bytes,
    "builtins.set": _set,
    "builtins.frozenset": _frozenset,
    "builtins.bytearray": _bytearray,
    "collections.OrderedDict": _ordered_dict,
    "_codecs.encode": _encode,
    "numpy.dtype": _dtype,
    "numpy.core.multiarray._reconstruct": _reconstruct,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy.core.numeric._frombuffer": _frombuffer,
}
"""The functions that a pickle may call; the first argument is `Interpreter.spend`."""

NAMES = {"numpy.ndarray"}
"""Names that a pickle may use but not call: the class for `_reconstruct`."""

RENAMED = {"numpy._core.": "numpy.core.", "__builtin__.": "builtins."}
"""Module names of NumPy 2 and of protocols 0 to 2, and the names used here."""


class _Global:
    """A global name in a pickle."""

    def __init__(self, name: str) -> None:
        self.name = name


def find_global(module: str, name: str) -> _Global:
    """Look up a global of a pickle.

    Raises:
        UnpicklingError: It is not on the list.
    """
    full = f"{module}.{name}"
    for other, known in RENAMED.items():
        full = full.replace(other, known, 1)
    if full not in FUNCTIONS and full not in NAMES:
        raise UnpicklingError(
            f"expected only NumPy arrays and plain containers, but it asks for {full:.80}"
        )
    return _Global(full)


class Interpreter:
    """Executes the opcodes of one pickle, as documented in the standard module `pickletools`.

    Args:
        file: Opened at the start of the pickle.
        size: Bytes of the file.
    """

    def __init__(self, file: IO[bytes], size: int) -> None:
        self.file, self.left = file, MAX_GROWTH * size
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def load(self) -> Any:
        """The value that the pickle describes.

        Raises:
            UnpicklingError: It contains anything other than data.
            Exception: Any other, for a damaged pickle.
        """
        for opcode, argument, _ in pickletools.genops(self.file):
            step = OPCODES.get(opcode.name)
            if step is None:
                raise UnpicklingError(
                    f"expected only NumPy arrays and plain containers, got {opcode.name}"
                )
            step(self, argument)
        return self._pop()

    def spend(self, size: int) -> None:
        """Count bytes or elements that are copied, and raise above the limit."""
        self.left -= size
        if self.left < 0:
            raise UnpicklingError("expected no more data than the file holds")

    def _pop(self) -> Any:
        """The value on top of the stack, to be part of the result."""
        value = self.stack.pop()
        if isinstance(value, _Pending | _Global):
            raise UnpicklingError("expected a finished value")
        return value

    def _pop_marked(self) -> list[Any]:
        """Everything above the last mark."""
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def _pop_items(self) -> list[Any]:
        """Everything above the last mark, to be part of the result."""
        values = self._pop_marked()
        if any(isinstance(value, _Pending | _Global) for value in values):
            raise UnpicklingError("expected finished values")
        return values

    def ignore(self, _: Any) -> None:
        """Protocol number, frame or end."""

    def push(self, argument: Any) -> None:
        """Push a number, text or bytes that the opcode contains."""
        self.stack.append(argument)

    def mark(self, _: Any) -> None:
        """Mark a position on the stack."""
        self.marks.append(len(self.stack))

    def append(self, _: Any) -> None:
        """One element of a list."""
        value = self._pop()
        _checked(self.stack[-1], list).append(value)

    def appends(self, _: Any) -> None:
        """Elements of a list."""
        values = self._pop_items()
        _checked(self.stack[-1], list).extend(values)

    def add_items(self, _: Any) -> None:
        """Members of a set."""
        members = _members(self._pop_items())
        _checked(self.stack[-1], set).update(members)

    def set_item(self, _: Any) -> None:
        """One entry of a dict."""
        value = self._pop()
        self._update([self._pop(), value])

    def set_items(self, _: Any) -> None:
        """Entries of a dict."""
        self._update(self._pop_items())

    def _update(self, items: list[Any]) -> None:
        target = _checked(self.stack[-1], dict)
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[_checked(key, KEYS)] = value

    def new_dict(self, _: Any) -> None:
        """A dict of marked keys and values (protocol 0)."""
        items = self._pop_items()
        self.stack.append({})
        self._update(items)

    def new_tuple(self, length: int | None) -> None:
        """A tuple of the last values, or of all marked ones."""
        if length is None:
            values = self._pop_marked()
        else:
            values = self.stack[len(self.stack) - length :]
            del self.stack[len(self.stack) - length :]
        if len(values) != (len(values) if length is None else length):
            raise UnpicklingError("expected more values for a tuple")
        self.stack.append(tuple(values))

    def put(self, index: int | None) -> None:
        """Store the value on top in the memo."""
        self.memo[len(self.memo) if index is None else index] = self.stack[-1]

    def get(self, index: int) -> None:
        """Push a value from the memo."""
        value = self.memo[index]
        finished = isinstance(value, _Array) and value.state is not None
        self.stack.append(value.state if finished else value)

    def find(self, argument: str) -> None:
        """Look up a global that is named in the opcode."""
        module, name = argument.split(" ", 1)
        self.stack.append(find_global(module, name))

    def find_on_stack(self, _: Any) -> None:
        """Look up a global that is named on the stack."""
        name, module = self.stack.pop(), self.stack.pop()
        self.stack.append(find_global(_checked(module, str), _checked(name, str)))

    def call(self, _: Any) -> None:
        """Call a function of the list."""
        arguments, function = self.stack.pop(), self.stack.pop()
        name = _checked(function, _Global).name
        if name not in FUNCTIONS:
            raise UnpicklingError(f"{name} is not callable")
        self.stack.append(FUNCTIONS[name](self.spend, *_checked(arguments, tuple)))

    def build(self, _: Any) -> None:
        """Set the state of a dtype or an array."""
        state, target = self.stack.pop(), self.stack[-1]
        _checked(target, (_DType, _Array)).set_state(state, self.spend)
        if isinstance(target, _Array):
            self.stack[-1] = target.state


Step = Callable[[Interpreter, Any], object]

LITERALS = (
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE",
    "BINUNICODE8", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8",
)  # fmt: skip
"""Opcodes that contain their value."""


def _constant(make: Callable[[], Any]) -> Step:
    return lambda machine, _: machine.stack.append(make())


def _tuple_of(length: int) -> Step:
    return lambda machine, _: machine.new_tuple(length)


OPCODES: dict[str, Step] = {
    **dict.fromkeys(("PROTO", "FRAME", "STOP"), Interpreter.ignore),
    **dict.fromkeys(LITERALS, Interpreter.push),
    "NONE": _constant(lambda: None),
    "NEWTRUE": _constant(lambda: True),
    "NEWFALSE": _constant(lambda: False),
    "MARK": Interpreter.mark,
    "POP": lambda machine, _: machine.stack.pop(),
    "POP_MARK": lambda machine, _: machine._pop_marked(),
    "EMPTY_LIST": _constant(list),
    "LIST": lambda machine, _: machine.stack.append(machine._pop_items()),
    "APPEND": Interpreter.append,
    "APPENDS": Interpreter.appends,
    "EMPTY_SET": _constant(set),
    "ADDITEMS": Interpreter.add_items,
    "FROZENSET": lambda machine, _: machine.stack.append(
        frozenset(_members(machine._pop_items()))
    ),
    "EMPTY_DICT": _constant(dict),
    "DICT": Interpreter.new_dict,
    "SETITEM": Interpreter.set_item,
    "SETITEMS": Interpreter.set_items,
    "TUPLE": Interpreter.new_tuple,
    "EMPTY_TUPLE": _tuple_of(0),
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), Interpreter.put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), Interpreter.get),
    "GLOBAL": Interpreter.find,
    "STACK_GLOBAL": Interpreter.find_on_stack,
    "REDUCE": Interpreter.call,
    "BUILD": Interpreter.build,
}  # fmt: skip
"""The opcodes that a pickle may use."""


def read_pickle(path: Path) -> Any:
    """Read a pickle file.

    Raises:
        FileError: It cannot be read, is damaged, or contains anything other than data.
    """
    with _open(path) as file:
        return _unpickle(file, path)


def read_npy(path: Path) -> Any:
    """Read an object, such as a dict, that was saved as ``.npy``.

    Raises:
        FileError: It cannot be read, is damaged, holds no object, or contains anything other
            than data.
    """
    with _open(path) as file:
        try:
            np.lib.format.read_magic(file)
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        except Exception as reason:  # the header is parsed as Python
            raise FileError(f"{path}: not a file of NumPy, or damaged ({reason})") from None
        if shape != () or dtype.kind != "O":
            raise FileError(f"{path}: expected one saved object, got {dtype} {list(shape)}")
        content = _unpickle(file, path)
    if not isinstance(content, np.ndarray) or content.shape != () or content.dtype != object:
        raise FileError(f"{path}: expected one saved object, got something else")
    return content.item()


def _open(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as reason:
        raise FileError(f"{path}: {reason.strerror}") from None


def _unpickle(file: IO[bytes], path: Path) -> Any:
    try:
        return Interpreter(file, os.fstat(file.fileno()).st_size).load()
    except UnpicklingError as reason:
        raise FileError(f"{path}: {reason}") from None
    except Exception as reason:  # a damaged pickle can raise anything
        detail = str(reason)[:200] or type(reason).__name__
        raise FileError(f"{path}: not a pickle, or damaged ({detail})") from None
