"""Data and references of the benchmarks: videos of THUMOS14's shape, and plain loops written from the method."""
