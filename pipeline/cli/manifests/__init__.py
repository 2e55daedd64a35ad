"""Commands on manifests: what is to be made, in words and numbers."""
