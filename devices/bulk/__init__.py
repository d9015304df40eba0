"""Imports and exports of devices: each file is a job, which workers carry out slice by slice."""
