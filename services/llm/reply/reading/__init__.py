"""Reading what language models put out."""
