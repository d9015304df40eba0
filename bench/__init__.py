"""Benchmarks: pushhub and its alternatives in one run, interleaved. They report figures and assert nothing."""
