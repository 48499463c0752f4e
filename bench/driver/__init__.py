"""The mouth that follows the sound: what it learned from, and how well it does on voices that it has never heard.

corpus.py     speech of many voices with the times of its phonemes
training.py   fits the network (by hand: `python -m bench.driver.training`)
scoring.py    how near its mouth is to the one that knows the phonemes
__main__.py   `make bench-driver`
"""
