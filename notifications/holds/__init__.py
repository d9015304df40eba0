"""Holds: deliveries of an (app, push origin) kept back because its answers cannot be believed, and nothing lost by it.

Workers record suspect outcomes (`engine.settle`) and how many deliveries were accepted (`gate`). Once a second, upkeep
opens holds (`detection`), probes and releases them (`maintenance`). Operators decide about gone spikes (`services`).
"""
