"""Speech recognition: speech in, words out."""
