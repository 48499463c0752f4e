"""Wav2Lip over the portrait engine: the portrait moves as ever, a network paints its mouth to the sound.

network.py    the network, and reading its published weights
mel.py        the spectrogram that it was trained on
paste.py      from a picture to its face and back
batching.py   the pictures of all streams, several at once
engine.py     the contract of the service
"""
