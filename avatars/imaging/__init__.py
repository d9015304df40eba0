"""Untrusted pictures: checked, decoded in a separate process, made into one clean master and its thumbnails."""
