"""What the kernels that numba compiles for a CPU share: matrix products of torch's own library, bfloat16, threads."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import FunctionType
from typing import Any, no_type_check

import numba
import numpy as np
import torch
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic
from torch import Tensor

from multimodel.layers.products import rounded

OPTIONS: dict[str, Any] = {
    "cache": True,
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"contract", "nsz", "reassoc"},
    "forceinline": True,  # else a process that compiles runs other copies of what is called than one that loads
}
PARALLEL: Any = {"prange": True} | dict.fromkeys(
    ("comprehension", "fusion", "inplace_binop", "numpy", "reduction", "setitem", "stencil"), False
)
SOURCES = sorted(Path(__file__).parent.glob("*_cpu.py"))
FORM = "_" + sha256(b"".join(source.read_bytes() for source in SOURCES)).hexdigest()[:8]
CHUNKS = 8  # parts of a batch, each with partial sums of its own: results are the same for any number of threads


def kernel(function: Any, *, name: str = "", **options: Any) -> Any:
    """Compile a function when it is first called, or load what was compiled.

    numba looks for that under the function's name, and whether the function's own file has changed. `FORM` in the name
    tells whether any has that it may call into.
    """
    copy = FunctionType(function.__code__, function.__globals__)
    copy.__qualname__ += name + FORM
    return numba.njit(**OPTIONS | options)(copy)


def are_compiled(module: str) -> bool:
    """Whether kernels of this file of layers were compiled before, as all files are now."""
    return any(Path(part.stats.cache_path).glob(f"{module}.*{FORM}*"))


class Threaded:
    """A kernel whose loops over `numba.prange` run on as many threads as torch does."""

    def __init__(self, function: Callable[..., None]) -> None:
        self.alone = kernel(function)
        self.together = kernel(function, name="_together", parallel=PARALLEL)  # numba keeps one form of a name

    def __call__(self, *arguments: Any) -> None:
        """Run it."""
        threads = min(torch.get_num_threads(), numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]
        before = _threads_of_products(1)
        try:
            if threads == 1:
                self.alone(*arguments)
            else:
                numba.set_num_threads(threads)
                self.together(*arguments)
        finally:
            _threads_of_products(before)


@kernel
@no_type_check
def part(chunk, count):
    """The first of the chunk's things, and the first after them."""
    return chunk * count // CHUNKS, (chunk + 1) * count // CHUNKS


def array(x: Tensor) -> np.ndarray:
    """The same memory; bfloat16, which numpy does not know, as its bits."""
    x = x.detach() if x.requires_grad else x
    return x.view(torch.uint16).numpy() if x.dtype == torch.bfloat16 else x.numpy()


def factor_type(x: Tensor) -> torch.dtype:
    """Of the factors of products of this tensor here."""
    return torch.bfloat16 if rounded(x) else x.dtype


@intrinsic
def store(typing: Any, like: types.Type, number: types.Type) -> Any:
    """A float32 as a number of the type of `like`: itself, or the bits of bfloat16, the nearest, even between two."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if signature.return_type == types.float32:
            return arguments[1]
        bits = builder.bitcast(arguments[1], ir.IntType(32))
        odd = builder.and_(builder.lshr(bits, ir.Constant(bits.type, 16)), ir.Constant(bits.type, 1))
        nearest = builder.add(bits, builder.add(odd, ir.Constant(bits.type, 0x7FFF)))
        return builder.trunc(builder.lshr(nearest, ir.Constant(bits.type, 16)), ir.IntType(16))

    return like(like, types.float32), generate


@kernel
@no_type_check
def store_all(x, out):
    """out = x, as numbers of its type."""
    for t in range(x.shape[0]):
        source, row = x[t], out[t]
        for c in range(row.shape[0]):
            row[c] = store(row[c], source[c])


@kernel
@no_type_check
def add_all(x, out):
    """out += x; by loops, as numba takes long to compile operations on whole arrays."""
    for t in range(out.shape[0]):
        source, row = x[t], out[t]
        for c in range(row.shape[0]):
            row[c] += source[c]


@kernel
@no_type_check
def add_bias(bias, out):
    """Each row += bias."""
    for t in range(out.shape[0]):
        row = out[t]
        for c in range(row.shape[0]):
            row[c] += bias[c]


@kernel
@no_type_check
def add_rows(x, total):
    """total += the sum of all rows."""
    for t in range(x.shape[0]):
        row = x[t]
        for c in range(row.shape[0]):
            total[c] += row[c]


@partial(kernel, fastmath={"nnan", "nsz", "reassoc"})
@no_type_check
def highest(row):
    """The largest number; any where one is no number, so that a vector at a time can be compared."""
    found = row[0]
    for c in range(row.shape[0]):
        found = max(found, row[c])
    return found


@intrinsic
def _float_of_bits(typing: Any, bits: types.Type) -> Any:
    """The float32 that has these bits."""
    return types.float32(types.int32), lambda context, builder, _, arguments: builder.bitcast(
        arguments[0], ir.FloatType()
    )


@kernel
@no_type_check
def exponential(x):
    """eˣ for x ≤ 0, to 2 in 10⁷: 2 to a whole power times a polynomial, which vector units can do."""
    x = max(x, np.float32(-87))
    whole = np.floor(x * np.float32(1.44269504) + np.float32(0.5))
    rest = x - whole * np.float32(0.693359375) + whole * np.float32(2.12194440e-4)
    y = np.float32(1.9875691500e-4)
    y = y * rest + np.float32(1.3981999507e-3)
    y = y * rest + np.float32(8.3334519073e-3)
    y = y * rest + np.float32(4.1665795894e-2)
    y = y * rest + np.float32(1.6666665459e-1)
    y = y * rest + np.float32(5.0000001201e-1)
    y = y * rest * rest + rest + np.float32(1)
    return y * _float_of_bits((np.int32(whole) + np.int32(127)) << np.int32(23))


_LIBRARY = ctypes.CDLL(torch._C.__file__)
_NAMES = ("sgemm_", "gemm_bf16bf16f32_", "MKL_Set_Num_Threads_Local")
PRODUCTS = all(hasattr(_LIBRARY, name) for name in _NAMES)
"""Whether kernels can multiply matrices: the library that torch itself multiplies with has to offer it."""

if PRODUCTS:
    for _name in _NAMES:
        binding.add_symbol(f"torch_{_name}", ctypes.cast(getattr(_LIBRARY, _name), ctypes.c_void_p).value)


def _threads_of_products(count: int) -> int:
    """Let products that are called from this thread use so many; how many it was before."""
    if not PRODUCTS:
        return count
    return int(_LIBRARY.MKL_Set_Num_Threads_Local(count))


@intrinsic
def _blas(typing: Any, turned: Any, sizes: Any, first: Any, second: Any, out: Any) -> Any:
    """Call a product of the BLAS interface, to which all arguments are addresses."""
    if first.dtype not in (types.float32, types.uint16) or first.dtype != second.dtype or out.dtype != types.float32:
        raise TypingError(f"no product of {first.dtype} and {second.dtype} in {out.dtype}")

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def address(value: Any) -> Any:
            return cgutils.alloca_once_value(builder, value)  # type: ignore[no-untyped-call]

        flags, numbers = (cgutils.unpack_tuple(builder, value) for value in arguments[:2])  # type: ignore[no-untyped-call]
        byte, whole, real = ir.IntType(8), ir.IntType(32), ir.FloatType()
        letters = [address(builder.select(flag, byte(ord("T")), byte(ord("N")))) for flag in flags]
        *shape, first_length, second_length, out_length = (address(builder.trunc(x, whole)) for x in numbers)
        first, second, out = (
            context.make_array(kind)(context, builder, value=value).data
            for kind, value in zip(signature.args[2:], arguments[2:], strict=True)
        )
        every = [*letters, *shape, address(real(1.0)), first, first_length, second, second_length]
        every += [address(real(0.0)), out, out_length]
        name = "torch_sgemm_" if signature.args[2].dtype == types.float32 else "torch_gemm_bf16bf16f32_"
        kind = ir.FunctionType(ir.VoidType(), [argument.type for argument in every])
        function = cgutils.get_or_insert_function(builder.module, kind, name)  # type: ignore[no-untyped-call]
        builder.call(function, every)
        return context.get_dummy_value()

    return types.none(turned, sizes, first, second, out), generate


@kernel
@no_type_check
def _product(x, y, inner, turned_x, turned_y, out):
    """out = x · y. BLAS reads rows as columns, so there it is outᵀ = yᵀ · xᵀ."""
    lengths = y.strides[0] // y.itemsize, x.strides[0] // x.itemsize, out.strides[0] // out.itemsize
    _blas((turned_y, turned_x), (out.shape[1], out.shape[0], inner, *lengths), y, x, out)


@kernel
@no_type_check
def multiply(x, y, out):
    """out = x · y."""
    _product(x, y, x.shape[1], False, False, out)


@kernel
@no_type_check
def multiply_transposed(x, y, out):
    """out = x · yᵀ."""
    _product(x, y, x.shape[1], False, True, out)


@kernel
@no_type_check
def transposed_multiply(x, y, out):
    """out = xᵀ · y."""
    _product(x, y, x.shape[0], True, False, out)


_of_this_thread = types.ExternalFunction("torch_MKL_Set_Num_Threads_Local", types.int32(types.int32))


@kernel
@no_type_check
def one_thread():
    """Let products that are called from this thread use no other."""
    if PRODUCTS:
        _of_this_thread(1)
