"""Holds: deliveries of an (app, push origin) kept back because its answers cannot be believed, and nothing lost by it.

Workers write down doubtful answers (`doubts`) and how many were accepted; upkeep judges them once a second, and opens,
probes and releases holds (`judge`, `keeping`); operators decide about storms (`services`).
"""
