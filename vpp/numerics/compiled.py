"""The decorator of every compiled kernel: numba in nopython mode, with a disk cache keyed by all dependencies.

numba keys a cached kernel by the source of its own file. What is compiled in from other files is not part of that key:
a kernel called, a constant read, the order of a named tuple's fields. A change there would leave the old machine code
in force. ``kernel`` adds a digest of all of these to the key, so exactly the kernels that a change reaches are
compiled again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from enum import Enum
from types import CodeType, FunctionType, ModuleType
from typing import Any, TypeVar, cast, overload

import numpy as np
from numba import njit, types
from numba.core.caching import FunctionCache
from numba.core.dispatcher import Dispatcher

_Function = TypeVar("_Function", bound=Callable[..., Any])


@overload
def kernel(function: _Function, /) -> _Function: ...
@overload
def kernel(**options: Any) -> Callable[[_Function], _Function]: ...
def kernel(function: Any = None, /, **options: Any) -> Any:
    """Compile a function on its first call per argument types and keep the machine code on disk.

    Args:
        function: The function; None if the decorator is used with options.
        **options: Options of ``numba.njit``, as ``error_model="numpy"``.
    """
    if function is None:
        return lambda decorated: kernel(decorated, **options)
    compiled = njit(**options)(function)
    compiled._cache = _KernelCache(function)  # type: ignore[no-untyped-call]
    return compiled


class _KernelCache(FunctionCache):
    """numba's cache of one kernel, keyed by what the kernel compiles in as well."""

    def _index_key(self, sig: Any, codegen: Any) -> tuple[object, ...]:
        fields = tuple(_tuple_fields(getattr(sig, "args", sig)))
        key = super()._index_key(sig, codegen)  # type: ignore[no-untyped-call]
        return (*key, source_digest(self._py_func), fields)


def source_digest(function: FunctionType) -> str:
    """Return the digest of a kernel's code, of every kernel that it calls and of the constants that they read."""
    digest = hashlib.sha256()
    for part in _parts(function, set()):
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()


def _parts(function: FunctionType, visited: set[FunctionType]) -> Iterator[str]:
    """Yield a text per thing that is compiled in with ``function``; each function once."""
    if function in visited:
        return
    visited.add(function)
    yield f"{function.__qualname__}{function.__defaults__}"
    names: list[str] = []
    for code in _codes(function.__code__):
        literals = [constant for constant in code.co_consts if not isinstance(constant, CodeType)]
        yield f"{code.co_code.hex()}{literals}{code.co_names}{code.co_varnames}"
        names += code.co_names
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    for name, cell in cells.items():
        yield from _value_parts(name, cell.cell_contents, names, visited)
    for name in names:
        if name in function.__globals__:
            yield from _value_parts(name, function.__globals__[name], names, visited)


def _value_parts(name: str, value: object, names: list[str], visited: set[FunctionType]) -> Iterator[str]:
    """Yield the texts of one value that a kernel reads; of a module, of those attributes that the kernel may read."""
    if isinstance(value, Dispatcher):
        yield f"{name}: {sorted(value.targetoptions.items(), key=str)}"
        yield from _parts(cast("FunctionType", value.py_func), visited)
    elif isinstance(value, ModuleType):
        for attribute in names:
            member = getattr(value, attribute, None)
            if not isinstance(member, ModuleType):
                yield from _value_parts(f"{name}.{attribute}", member, names, visited)
    elif isinstance(value, np.ndarray):
        yield f"{name}={value.dtype}{value.shape}{value.tobytes().hex()}"
    elif isinstance(value, Enum):
        yield f"{name}={value.name}:{value.value!r}"
    elif isinstance(value, bool | int | float | complex | str | bytes | tuple | np.generic):
        yield f"{name}={value!r}"
    elif isinstance(value, type) and issubclass(value, tuple):
        yield f"{name}={getattr(value, '_fields', ())}"


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Yield a code object and those nested in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _tuple_fields(argument_types: Any) -> Iterator[tuple[str, ...]]:
    """Yield the field names of named tuples among argument types, nested ones included."""
    for argument in argument_types:
        if isinstance(argument, types.NamedTuple | types.NamedUniTuple):
            yield tuple(argument.fields)
        if isinstance(argument, types.BaseTuple):
            yield from _tuple_fields(argument)
