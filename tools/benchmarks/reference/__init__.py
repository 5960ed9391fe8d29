"""What the benchmarks measure against and with: data of THUMOS14's shape, and plain loops written from the method."""
