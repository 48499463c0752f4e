"""How a server of NVIDIA's is reached, your own or a hosted one: Riva's and Audio2Face-3D's in the same way.

    options.py   its address and keys     connection.py   channel, metadata, errors     calls.py   streams, in bounded time

gRPC is these servers' own protocol; of what engines use, only this room knows it.
"""
