from __future__ import annotations

import math
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from store_samples import bits, values

from gradiometer.records import STATS
from gradiometer.store.packing import CHUNK_VALUES, PackedValues, pack_table, pack_values, unpack_table

ANY_FLOAT = st.floats(allow_nan=True, allow_infinity=True, allow_subnormal=True)
MATRICES = hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=40), elements=ANY_FLOAT)


@settings(deadline=None, max_examples=60)
@given(MATRICES)
def test_frames_come_back_bit_for_bit(matrix: np.ndarray) -> None:
    packed = pack_values(matrix)
    packed.check()
    assert bits(packed.dense()) == bits(matrix)


def test_bits_tells_what_equality_does_not() -> None:
    assert bits(np.array([0.0])) != bits(np.array([-0.0]))
    assert bits(np.array([math.nan])) == bits(np.array([-math.nan]))
    assert bits(np.array([5e-324])) != bits(np.array([0.0]))


@settings(deadline=None, max_examples=30)
@given(hnp.arrays(np.float64, st.tuples(st.integers(0, 30), st.integers(1, 4)), elements=ANY_FLOAT))
def test_tables_come_back_bit_for_bit(table: np.ndarray) -> None:
    assert bits(unpack_table(pack_table(table), *table.shape)) == bits(table)


@pytest.mark.parametrize("n_sites", [1, 7, 400])  # one chunk for all statistics; several; one for each
def test_one_statistic_is_its_column_of_the_matrix(n_sites: int) -> None:
    matrix = values(n_sites, seed=n_sites)
    matrix[:, 4] = np.nan
    packed = pack_values(matrix)
    for stat in range(len(STATS)):
        row = np.full(n_sites + 3, np.nan)
        packed.put_stat(stat, row)
        assert bits(row[:n_sites]) == bits(matrix[:, stat])
        assert np.isnan(row[n_sites:]).all()


def test_400_sites_do_take_several_chunks() -> None:
    def chunks(n_sites: int) -> int:
        return int.from_bytes(pack_values(values(n_sites)).data[:2], "little")

    assert chunks(1) == 1 < chunks(400)
    assert chunks(400) <= 400 * len(STATS) // CHUNK_VALUES + 1


def test_a_statistic_that_the_file_lacks_leaves_the_row_alone() -> None:
    row = np.full(3, 7.0)
    pack_values(np.ones((3, 2))).put_stat(2, row)
    assert row.tolist() == [7.0, 7.0, 7.0]


def test_nan_costs_almost_nothing_and_float32_less_than_float64() -> None:
    rng = np.random.default_rng(1)
    wide = rng.lognormal(size=(1000, len(STATS)))
    narrow = wide.astype(np.float32).astype(np.float64)
    sparse = np.where(rng.random(wide.shape) < 0.5, np.nan, wide)
    raw = wide.nbytes
    assert len(pack_values(np.full_like(wide, np.nan)).data) < 500
    assert len(pack_values(sparse).data) < 0.55 * raw
    assert len(pack_values(narrow).data) < 0.6 * raw < len(pack_values(wide).data) < 1.01 * raw


def test_every_flipped_bit_and_every_cut_is_noticed() -> None:
    data = pack_values(values(3)).data
    PackedValues(data, 3).check()
    for at in range(len(data)):
        flipped = bytearray(data)
        flipped[at] ^= 1 << (at % 8)
        with pytest.raises(ValueError, match="checksum"):
            PackedValues(bytes(flipped), 3).check()
    for length in range(len(data)):
        with pytest.raises(ValueError, match=r"checksum|short"):
            PackedValues(data[:length], 3).check()
    with pytest.raises(ValueError, match="checksum"):
        PackedValues(data, 4).check()


def test_a_forged_size_asks_for_no_memory() -> None:
    bomb = zlib.compress(bytes(10**6))
    with pytest.raises(ValueError, match="another size than its 24 bytes"):
        unpack_table(bomb, 1, 3)
    with pytest.raises(ValueError, match="damaged"):
        unpack_table(b"no zlib", 1, 3)
    with pytest.raises(ValueError, match="another size"):
        unpack_table(pack_table(np.ones((2, 3)))[:-1], 2, 3)  # its own checksum is cut
