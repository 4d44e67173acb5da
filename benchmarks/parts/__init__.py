"""What the benchmarks share: networks, arms, blocks, intervals, tables. Scripts stand one folder above."""
