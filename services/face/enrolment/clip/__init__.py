"""A base clip: a few seconds of video of the person, from which a loop is made that begins and ends alike.

video.py    a sent file into upright pictures at 25 a second
track.py    what was seen in each of them, and what is wrong with it
loop.py     where the clip can be made a loop without a jump
stored.py   the loop in the persona's folder, written and read
report.py   what was found, for people
making.py   all of it, step by step
"""
