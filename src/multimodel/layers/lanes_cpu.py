"""Sixteen float32 side by side in compiled kernels, as vector units hold them: where loops alone are compiled badly.

LLVM turns loops over rows into vector instructions, but not those over sixteen numbers of a head.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel.models import PrimitiveModel
from numba.extending import intrinsic, register_model

LANES = 16
_VECTOR = ir.VectorType(ir.FloatType(), LANES)
_REDUCE = ir.FunctionType(ir.FloatType(), [ir.FloatType(), _VECTOR])

Generated = tuple[Any, Callable[..., Any]]


class _Lanes(types.Type):
    """Their type."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


_LANES = _Lanes()


@register_model(_Lanes)
class _LanesModel(PrimitiveModel):
    """How they are held."""

    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)  # type: ignore[no-untyped-call]


def _address(context: Any, builder: Any, kind: Any, row: Any, place: Any) -> Any:
    """Of the row's numbers from this place on."""
    data = context.make_array(kind)(context, builder, value=row).data
    return builder.bitcast(builder.gep(data, [place]), _VECTOR.as_pointer())


@intrinsic
def load(typing: Any, row: Any, place: Any) -> Generated:
    """Sixteen numbers of a contiguous row, from this place on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_address(context, builder, signature.args[0], *arguments), align=4)

    return _LANES(row, types.intp), generate


@intrinsic
def save(typing: Any, row: Any, place: Any, x: Any) -> Generated:
    """Write them there."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        row, place, x = arguments
        builder.store(x, _address(context, builder, signature.args[0], row, place), align=4)
        return context.get_dummy_value()

    return types.none(row, types.intp, x), generate


@intrinsic
def spread(typing: Any, number: Any) -> Generated:
    """The same number sixteen times."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        nothing, first = ir.Constant(_VECTOR, ir.Undefined), ir.Constant(ir.IntType(32), 0)
        places = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        return builder.shuffle_vector(builder.insert_element(nothing, arguments[0], first), nothing, places)

    return _LANES(types.float32), generate


@intrinsic
def add_product(typing: Any, total: Any, x: Any, y: Any) -> Generated:
    """total + x · y, lane by lane."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        total, x, y = arguments
        return builder.fadd(total, builder.fmul(x, y, flags=("contract",)), flags=("contract",))

    return _LANES(total, x, y), generate


@intrinsic
def summed(typing: Any, x: Any) -> Generated:
    """The sum of all lanes."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        function = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
            builder.module, _REDUCE, f"llvm.vector.reduce.fadd.v{LANES}f32"
        )
        return builder.call(function, [ir.Constant(ir.FloatType(), 0.0), arguments[0]], fastmath=("reassoc",))

    return types.float32(x), generate
