"""What the words of others mean: whom they ask, what about, who introduces themselves."""
