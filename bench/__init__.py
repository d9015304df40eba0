"""Benchmarks: pushhub beside what a user would pick instead, in one run, interleaved. Figures, never assertions."""
