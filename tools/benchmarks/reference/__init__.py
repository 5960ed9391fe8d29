"""Data and reference code of the benchmarks: videos with THUMOS14's lengths, and plain loops that follow the paper."""
