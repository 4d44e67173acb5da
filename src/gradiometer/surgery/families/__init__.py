"""The families of cures, one file each. Every module here is imported, and registers its operations as it is."""
