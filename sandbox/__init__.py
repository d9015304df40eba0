"""Strict local stand-ins for the vendors: a web push service, Rekognition, and Amazon SNS with parts of STS and SSM.

They are written from the vendors' documents alone and import nothing of the product, so that they can find the
product's mistakes. One process, one event loop, everything in memory, loopback only.
"""
