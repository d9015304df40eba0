"""The alternatives to pushhub. Each file is one peer: it reads a workload from standard input and prints its cost.

They run with the interpreter of `.peers/`, where the benchmark installs them, and never in the product's environment.
"""
