"""What the recogniser and the voice of an NVIDIA Riva server share; the way to it is `services.common.nvidia`.

options.py      what it is set with                  catalogue.py    the models and voices that it has
alignment.py    where its words lie in time
"""
