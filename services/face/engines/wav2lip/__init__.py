"""Wav2Lip over a video loop of the person, or over the portrait engine: a network paints the mouth to the sound.

network.py    the network, and reading its published weights
mel.py        the spectrogram that it was trained on
paste.py      from a picture to its face and back
batching.py   the pictures of all streams, several at once
base.py       a person's base clip, with what the network keeps of each face
shown.py      the pictures into which mouths are painted, from a clip or from the portrait engine
engine.py     the contract of the service
"""
