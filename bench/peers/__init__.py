"""What a user would pick instead of pushhub. Each file is one peer: it reads a job as JSON from standard input and prints what it took.

They run under the interpreter of `.peers/`, where the benchmark installs them: never in the product's environment.
"""
