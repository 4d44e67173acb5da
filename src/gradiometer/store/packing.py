"""Arrays as bytes: float64 is kept bit for bit, cells that are nan are not kept at all.

A frame's ``values[site, stat]`` is about half nan (an output has no weight, a parameter no error). It is packed as

    head    "<HHI"  number of chunks, number of statistics, bytes of the layout
    sizes   "<I"    bytes of each chunk
    layout  zlib of: "<H" first statistic of each chunk; one bit a cell, [stat, site], 1 where there is a number
    chunks  zlib of the numbers of some consecutive statistics, as eight planes of bytes
    crc     "<I"    crc32 of all before, begun with the number of sites

Statistic by statistic, so that one of them can be read without inflating the others. As byte planes, because most
numbers were born in float32: their low bytes are zero, and their high bytes are alike.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CHUNK_VALUES = 512  # a chunk closes at so many numbers: 4 KiB inflate in about 10 µs, and zlib's frame is 0.3 % of it
ZLIB_LEVEL = 1  # higher levels take several times as long and save a few per cent: norms are mostly noise

_HEAD = struct.Struct("<HHI")
_CRC = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the numbers of each statistic lie.

    cells: [stat, site] bool. start: [stat + 1] index of its first number among all. chunk_of: [stat] its chunk.
    edges: [chunk + 1] index of the chunk's first number among all.
    """

    cells: NDArray[np.bool_]
    start: tuple[int, ...]
    chunk_of: tuple[int, ...]
    edges: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PackedValues:
    """``values[site, stat]`` of one frame as it lies in the file. sites: number of rows it was packed with."""

    data: bytes
    sites: int

    def check(self) -> None:
        """ValueError where the bytes are not those that were packed."""
        if len(self.data) < _HEAD.size + _CRC.size:
            raise ValueError("a packed frame is too short")
        (crc,) = _CRC.unpack_from(self.data, len(self.data) - _CRC.size)
        if crc != zlib.crc32(memoryview(self.data)[: -_CRC.size], self.sites):
            raise ValueError("a packed frame has a wrong checksum")

    def dense(self) -> Floats:
        """The whole matrix [site, stat], nan where nothing was kept. dense of pack_values(x) is x, bit for bit apart
        from the payload of a nan. ValueError where the bytes are damaged."""
        layout, sizes, at = self._open()
        out = np.full(layout.cells.shape, np.nan)  # [stat, site]
        numbers = [self._chunk(layout, sizes, at, i) for i in range(len(sizes))]
        out[layout.cells] = np.concatenate(numbers) if numbers else np.empty(0)
        return np.ascontiguousarray(out.T)

    def put_stat(self, stat: int, row: Floats) -> None:
        """Write one statistic into ``row`` [site], where it has a number; the other cells stay as they are.
        ValueError where the bytes are damaged."""
        layout, sizes, at = self._open()
        if stat >= len(layout.cells) or layout.start[stat] == layout.start[stat + 1]:
            return
        chunk = layout.chunk_of[stat]
        numbers = self._chunk(layout, sizes, at, chunk)
        edge = layout.edges[chunk]
        row[: self.sites][layout.cells[stat]] = numbers[layout.start[stat] - edge : layout.start[stat + 1] - edge]

    def _open(self) -> tuple[_Layout, tuple[int, ...], int]:
        """The layout, the bytes of each chunk, and where the first chunk begins. Nothing is inflated yet."""
        try:
            n_chunks, n_stats, layout_bytes = _HEAD.unpack_from(self.data)
            sizes = struct.unpack_from(f"<{n_chunks}I", self.data, _HEAD.size)
        except struct.error as error:
            raise ValueError(f"a packed frame is cut short: {error}") from error
        at = _HEAD.size + 4 * n_chunks
        layout = _layout(self.data[at : at + layout_bytes], n_chunks, n_stats, self.sites)
        return layout, sizes, at + layout_bytes

    def _chunk(self, layout: _Layout, sizes: tuple[int, ...], at: int, chunk: int) -> Floats:
        begin = at + sum(sizes[:chunk])
        return _inflate(self.data[begin : begin + sizes[chunk]], layout.edges[chunk + 1] - layout.edges[chunk])


def pack_values(values: Floats) -> PackedValues:
    """Pack ``values[site, stat]``: cells that are nan cost one bit before compression, inf and -0.0 are kept."""
    by_stat = np.ascontiguousarray(values.T, dtype=np.float64)  # [stat, site]
    cells = ~np.isnan(by_stat)
    counts = cells.sum(axis=1).tolist()
    firsts = _chunk_starts(counts)
    numbers = by_stat[cells]
    edges = [sum(counts[:first]) for first in [*firsts, len(counts)]]
    chunks = [_deflate(numbers[a:b]) for a, b in pairwise(edges)]
    raw_layout = struct.pack(f"<{len(firsts)}H", *firsts) + np.packbits(cells).tobytes()
    layout = zlib.compress(raw_layout, ZLIB_LEVEL)
    sizes = struct.pack(f"<{len(chunks)}I", *map(len, chunks))
    body = b"".join([_HEAD.pack(len(chunks), len(counts), len(layout)), sizes, layout, *chunks])
    return PackedValues(body + _CRC.pack(zlib.crc32(body, values.shape[0])), values.shape[0])


def pack_table(table: Floats) -> bytes:
    """Pack an array [row, column] (a curve), every bit kept, nan included."""
    return _deflate(np.ascontiguousarray(table.T, dtype=np.float64).ravel())


def unpack_table(data: bytes, rows: int, columns: int) -> Floats:
    """The array [row, column] that was packed. ValueError where the bytes are damaged or of another size."""
    return np.ascontiguousarray(_inflate(data, rows * columns).reshape(columns, rows).T)


def _chunk_starts(counts: list[int]) -> list[int]:
    """First statistic of each chunk: a chunk closes once it holds CHUNK_VALUES numbers."""
    starts, held = [0], 0
    for stat, count in enumerate(counts):
        if held >= CHUNK_VALUES:
            starts.append(stat)
            held = 0
        held += count
    return starts


def _deflate(numbers: Floats) -> bytes:
    return zlib.compress(np.ascontiguousarray(numbers.view(np.uint8).reshape(-1, 8).T).tobytes(), ZLIB_LEVEL)


def _inflate(data: bytes, count: int) -> Floats:
    """``count`` numbers; never more memory than that, whatever the bytes say."""
    planes = np.frombuffer(_inflate_bytes(data, count * 8), np.uint8).reshape(8, count)
    return np.ascontiguousarray(planes.T).view(np.float64).reshape(count)


def _inflate_bytes(data: bytes, size: int) -> bytes:
    try:
        stream = zlib.decompressobj()
        raw = stream.decompress(data, size + 1)  # one byte of room, so that the stream can reach its own checksum
    except zlib.error as error:
        raise ValueError(f"a packed array is damaged: {error}") from error
    if len(raw) != size or not stream.eof:
        raise ValueError(f"a packed array has another size than its {size} bytes")
    return raw


@lru_cache(maxsize=128)
def _layout(data: bytes, n_chunks: int, n_stats: int, sites: int) -> _Layout:
    """Frames that measured the same cells share one layout: it is opened once."""
    raw = _inflate_bytes(data, 2 * n_chunks + (n_stats * sites + 7) // 8)
    firsts = struct.unpack_from(f"<{n_chunks}H", raw)
    bits = np.frombuffer(raw, np.uint8, offset=2 * n_chunks)
    cells = np.unpackbits(bits, count=n_stats * sites).astype(np.bool_).reshape(n_stats, sites)
    start = (0, *np.cumsum(cells.sum(axis=1)).tolist())
    chunk_of = np.searchsorted(firsts, np.arange(n_stats), side="right") - 1
    edges = tuple(start[first] for first in (*firsts, n_stats))
    return _Layout(cells, start, tuple(chunk_of.tolist()), edges)
