"""The portrait engine: one picture of a person, animated on one CPU core by a mesh warp with eyes and a mouth of its own.

From a persona to a frame:

    portrait.py    picture, landmarks and person mask, cut to a square
    background.py  the person cut out softly, the room behind filled in
    basis.py       the 52 ARKit displacements, fitted to this face
    rig.py         everything about one persona at one size, shared by its sessions
    speech.py      phonemes or sound -> mouth              looks.py  look and cue -> expression
    life.py        blinks, glances, sway, breath           actor.py  all of them -> one Expression for a slot
    renderer.py    Expression -> frame (mesh.py, raster.py, eyes.py, lids.py, mouth.py, shading.py)
"""
