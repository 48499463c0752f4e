"""What words say that their speaker is doing: one reading, for all who need to know whether it asks or is unfinished."""
