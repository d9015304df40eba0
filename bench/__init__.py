"""Side-by-side benchmarks: pushhub and what a user would pick instead, in one run, interleaved. Figures, never assertions."""
