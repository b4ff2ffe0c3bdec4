"""Octets asked for before they are read, so that a loop need not wait for memory (kernels).

A hint to the processor, and no more: it changes no result and cannot fail, wherever it points. Packets of many sessions lie
far from each other, and waiting for the first octet of each cost more than reading the rest.
"""

from __future__ import annotations

from typing import Any

from smtplab.kernels import COMPILED, Buffer, kernel

LINE = 64  # octets that the processor fetches at once
PACKETS = 8  # so many later is the packet whose headers are asked for

if COMPILED:
    import numba
    from llvmlite import ir

    @numba.extending.intrinsic  # type: ignore[untyped-decorator]
    def fetch(_typing: Any, buf: Any, p: Any) -> Any:
        """Ask for the octet at `p`."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            octets = context.make_array(signature.args[0])(context, builder, arguments[0]).data
            pointer = builder.gep(octets, [arguments[1]])
            number = ir.IntType(32)
            kind = ir.FunctionType(ir.VoidType(), [pointer.type, number, number, number])
            prefetch = builder.module.declare_intrinsic("llvm.prefetch", [pointer.type], kind)
            builder.call(prefetch, [pointer, number(0), number(3), number(1)])  # to read, to be kept near, no code
            return context.get_dummy_value()

        return numba.types.none(buf, p), generate

else:

    def fetch(buf: Any, p: int) -> None:
        """Nothing to ask for."""


@kernel
def fetch_all(buf: Buffer, p: int, size: int) -> Any:
    """Ask for `size` octets from `p`."""
    for q in range(p, p + size, LINE):
        fetch(buf, q)


@kernel
def fetch_records(buf: Buffer, p: int, most: int) -> Any:
    """Ask for the headers of the packet at `p`, and for where the next two begin if they are the longest so far, of `most` octets.

    Where a record begins is known only when the one before it is read: asking for that alone would always be too late.
    """
    fetch(buf, p + LINE)
    fetch(buf, p + 2 * LINE)
    fetch(buf, p + most)
    fetch(buf, p + 2 * most)
