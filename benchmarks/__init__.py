"""How much the hub costs: `make bench`, read by docs/benchmarks.md."""
