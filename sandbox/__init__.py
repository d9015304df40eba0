"""Strict local stand-ins for the vendors: a web push service and Amazon SNS (with the bits of STS and SSM around it).

Written from the vendors' documents alone and importing nothing of the product, so that it can catch the product's
mistakes. One process, one event loop, everything in memory, loopback only.
"""
