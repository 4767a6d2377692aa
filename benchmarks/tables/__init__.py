"""The tables of the benchmark: real ones from the shared data folder, and generated ones."""
