"""Voice activity projection (MaAI) beside the fusion engine: who will speak next, heard from both sides, as more evidence.

package.py    the one place that imports MaAI
weights.py    its networks with their published weights
network.py    one step of them
channels.py   user and persona side by side on the user's clock, in frames
beside.py     the model in a thread of its own, which nobody waits for
weighing.py   what its answers weigh in the fusion: vap.json
session.py    the session of the fusion engine, with the model beside it
engine.py     the contract of the service
"""
