"""What the recogniser and the voice of an NVIDIA Riva server share.

    options.py      how it is reached                    connection.py   channel, metadata, errors
    calls.py        streams of it, in bounded time       alignment.py    where its words lie in time

gRPC is Riva's own protocol; of the engines, only this room knows it.
"""
