"""Holds keep back the deliveries of an (app, push origin) whose outcomes cannot be believed. No delivery is lost.

Workers record suspect outcomes (`engine.settle`) and how many deliveries were accepted (`gate`). Once a second, upkeep
opens holds (`detection`), probes and releases them (`maintenance`). Operators decide about gone spikes (`services`).
"""
