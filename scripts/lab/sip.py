"""The little SIP the laboratory speaks itself: asking whether a server answers."""
import socket


def answers(port, host="127.0.0.1"):
    """True when something answers a SIP request on the UDP port, whatever the answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind((host, 0))
        s.settimeout(0.3)
        own = s.getsockname()[1]
        request = (f"OPTIONS sip:ping@{host}:{port} SIP/2.0\r\nVia: SIP/2.0/UDP {host}:{own};branch=z9hG4bKping{own}\r\n"
                   f"Max-Forwards: 5\r\nFrom: <sip:lab@{host}>;tag=1\r\nTo: <sip:ping@{host}>\r\nCall-ID: ping{own}@lab\r\n"
                   f"CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n")
        try:
            s.sendto(request.encode(), (host, port))
            return s.recv(2048).startswith(b"SIP/2.0")
        except OSError:
            return False
