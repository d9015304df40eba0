"""What a user would pick instead of pushhub. Each file is one peer: reads a job from standard input, prints its cost.

They run under the interpreter of `.peers/`, where the benchmark installs them: never in the product's environment.
"""
