"""A whole provider package, of a vendor that does not exist: what docs/adding-a-provider.md asks for, and no more."""
