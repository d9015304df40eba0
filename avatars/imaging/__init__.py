"""Strangers' pictures: checked, decoded in a process of their own, made into one clean master and its thumbnails."""
