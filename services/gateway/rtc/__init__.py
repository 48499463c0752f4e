"""What aiortc and aioice do not offer: their private parts are touched in this folder and nowhere else.

`arrivals.py`: a receiver's jitter buffer is replaced, so that sound is heard when it comes.
    Relies on `RTCRtpReceiver.__jitter_buffer`, whose `add` is called for each packet with its sound in `_data`.
`sending.py`: a sender's `_send_keyframe` is replaced, so that a request of the browser goes back to where the picture is made.
    Relies on aiortc calling it for each such request.
`sending.py`: the timestamp of the last packet is read; aiortc adds a random number to those of a track.
    Relies on `RTCRtpSender.__rtp_timestamp`, and on `__packet_count` being above 0 as soon as it is set.
`transport.py`: `_recv`, `_send` and `_monitor` of an ICE transport are replaced, so that its path can be exchanged.
    Relies on the DTLS transport looking up `_recv` and `_send` for each packet, on `start` running `_monitor`, on `__setState`,
    and on `_connection`, which `RTCIceGatherer` has too.
`path.py`: `aioice.Connection` is extended, so that it gathers no longer than a page waits and tells when it was checked.
    Relies on `request_received`, `get_component_candidates`, `_early_checks` and `_check_list`.
`loopback.py`: `aioice.ice.get_host_addresses` is replaced, so that 127.0.0.1 is offered too.
    Relies on each connection calling the function of this name.

Each module asks for what it relies on when it is imported (`reliance.py`): with an aiortc that has changed it, the gateway does
not start. Whether it still does the same is for the tests to notice.
"""
