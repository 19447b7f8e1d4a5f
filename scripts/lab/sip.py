"""The little SIP the laboratory speaks itself: one request, and the status of its answer."""
import socket


def ask(port, method, to, sender, source="127.0.0.1", host="127.0.0.1", seconds=0.3):
    """The status of the answer to a request sent over UDP from an address of ours; None when there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind((source, 0))
        s.settimeout(seconds)
        own = s.getsockname()[1]
        request = (f"{method} sip:{to} SIP/2.0\r\nVia: SIP/2.0/UDP {source}:{own};branch=z9hG4bKask{own}\r\n"
                   f"Max-Forwards: 5\r\nFrom: <sip:{sender}>;tag=1\r\nTo: <sip:{to}>\r\nCall-ID: ask{own}@lab\r\n"
                   f"CSeq: 1 {method}\r\nContact: <sip:lab@{source}:{own}>\r\nEvent: presence\r\nContent-Length: 0\r\n\r\n")
        try:
            s.sendto(request.encode(), (host, port))
            answer = s.recv(2048)
        except OSError:
            return None
        return int(answer.split()[1]) if answer.startswith(b"SIP/2.0") else None


def answers(port, host="127.0.0.1"):
    """True when something answers a SIP request on the UDP port, whatever the answer."""
    return ask(port, "OPTIONS", f"ping@{host}:{port}", f"lab@{host}", source=host, host=host) is not None
