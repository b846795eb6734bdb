"""Arrow arrays as numpy arrays and back, by their buffers. Pure.

Arrow's own conversions load pandas wherever that is installed: half a second, and thirty megabytes.

Rules that must stay true here: a null is NaN and NaN is a null; nothing else changes.
"""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Numbers = NDArray[Any]
_WIDE = 64


def from_numpy(numbers: Numbers, kind: pa.DataType | None = None) -> pa.Array:
    """Return an Arrow array of float64, int64, int32 or bool, or of the type that `kind` says."""
    if numbers.dtype == np.bool_:
        return pa.Array.from_buffers(pa.bool_(), len(numbers), [None, _bits(numbers)])
    numbers = np.ascontiguousarray(numbers)
    validity = None
    if numbers.dtype == np.float64:
        kind = pa.float64()
        told = ~np.isnan(numbers)
        validity = None if told.all() else _bits(told)
    elif kind is None:
        kind = pa.int64() if numbers.dtype == np.int64 else pa.int32()
    return pa.Array.from_buffers(kind, len(numbers), [validity, pa.py_buffer(numbers)])


def to_numpy(column: pa.Array | pa.ChunkedArray) -> Numbers:
    """Return a numpy array; it may share memory with the column, and then cannot be written to."""
    if not isinstance(column, pa.ChunkedArray):
        return _array(column)
    if column.num_chunks == 1:
        return _array(column.chunk(0))
    dtype = _dtype(column.type)
    whole = np.empty(len(column), dtype)
    begin = 0
    for chunk in column.chunks:
        whole[begin : begin + len(chunk)] = _array(chunk)
        begin += len(chunk)
    return whole


def _array(array: pa.Array) -> Numbers:
    validity, values = array.buffers()
    begin, end = array.offset, array.offset + len(array)
    dtype = _dtype(array.type)
    if dtype == np.bool_:
        return _flags(values, begin, end)
    numbers = np.frombuffer(values, dtype, end)[begin:] if end else np.empty(0, dtype)
    if array.null_count:
        numbers = numbers.copy()
        numbers[~_flags(validity, begin, end)] = np.nan
    return numbers


def _dtype(kind: pa.DataType) -> np.dtype[Any]:
    if pa.types.is_boolean(kind):
        return np.dtype(np.bool_)
    if pa.types.is_floating(kind):
        return np.dtype(np.float64)
    return np.dtype(np.int64 if kind.bit_width == _WIDE else np.int32)


def _bits(flags: NDArray[np.bool_]) -> pa.Buffer:
    return pa.py_buffer(np.packbits(flags, bitorder="little"))


def _flags(bits: pa.Buffer, begin: int, end: int) -> NDArray[np.bool_]:
    if not end:
        return np.empty(0, np.bool_)
    return np.unpackbits(np.frombuffer(bits, np.uint8), count=end, bitorder="little")[begin:].view(np.bool_)
