"""The soak's clients: HTTP requests and event streams, and a SIP user agent, on asyncio. Each tells a Watch what it was shown."""
import asyncio
import json
import re
import sys
import time
import xml.etree.ElementTree as ET

PIDF = "{urn:ietf:params:xml:ns:pidf}"
NOTE = re.compile(r"^([^ ]+) ([^ ]+) (\d+)$")  # user, device, number of the change


class Broken(Exception):
    """The connection ended in the middle: the request may have been carried out."""


async def http(node, method, path, body=None, seconds=60):
    """(status, decoded JSON or text). ConnectionError where nobody listens, so that nothing was asked."""
    data = b"" if body is None else json.dumps(body).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", node.http_port)
    try:
        try:
            writer.write((f"{method} {path} HTTP/1.1\r\nHost: soak\r\nAuthorization: Bearer {node.token}\r\nConnection: close\r\n"
                          f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n").encode() + data)
            async with asyncio.timeout(seconds):
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = re.search(r"^content-length: *(\d+)", head, re.I | re.M)
                text = await reader.readexactly(int(length[1])) if length else b""
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            raise Broken(repr(error)) from None
        status = int(head.split(" ", 2)[1])
        return status, json.loads(text) if text[:1] == b"{" else text
    finally:
        writer.close()


def read_notes(texts):
    return {match[2]: (match[1], int(match[3])) for match in map(NOTE.match, filter(None, texts)) if match}


class Stream:
    """An event stream, asked for again until it is back."""

    def __init__(self, watch, node, watcher, presentity):
        self.watch, self.node, self.watcher, self.presentity = watch, node, watcher, presentity

    async def run(self):
        while True:
            writer = None
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.node.http_port, limit=1 << 20)
                writer.write((f"GET /v1/presence/{self.presentity}/events?watcher={self.watcher} HTTP/1.1\r\nHost: soak\r\n"
                              f"Authorization: Bearer {self.node.token}\r\n\r\n").encode())
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                if " 200 " in head.split("\r\n")[0]:
                    while line := await reader.readline():
                        if line.startswith(b"data: "):
                            self.shown(json.loads(line[6:]))
                else:
                    self.watch.shown("refused", "unknown", {}, head.split("\r\n")[0])
            except (OSError, asyncio.IncompleteReadError):
                pass
            finally:
                if writer:
                    writer.close()
            self.watch.shown("none", "unknown", {}, "the stream ended")
            await asyncio.sleep(1)

    def shown(self, view):
        document = view["presence"] or {}
        notes = [n["text"] for s in document.get("services", []) if s.get("basic") == "open" for n in s.get("notes", [])]
        self.watch.shown(view["state"], view["liveness"], read_notes(notes), view.get("reason", ""))


class Sip(asyncio.DatagramProtocol):
    """One socket for all of the soak's SIP clients."""

    def __init__(self, rng, complain):
        self.rng, self.complain = rng, complain
        self.transactions = {}  # branch -> future
        self.dialogs = {}  # Call-ID -> Subscriber
        self.ignored = 0

    async def open(self):
        self.transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, ("127.0.0.1", 0))
        self.port = self.transport.get_extra_info("sockname")[1]
        return self

    def token(self):
        return f"{self.rng.getrandbits(64):016x}"

    def datagram_received(self, data, address):
        head, _, body = data.decode(errors="replace").partition("\r\n\r\n")
        first, *lines = head.split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers.setdefault(name.strip().lower(), []).append(value.strip())
        if first.startswith("SIP/2.0 "):
            branch = re.search(r"branch=([^;]+)", headers["via"][0])[1]
            waiting = self.transactions.get(branch)
            status = int(first.split(" ")[1])
            if waiting and not waiting.done() and status >= 200:
                waiting.set_result((status, headers))
            return
        subscriber = self.dialogs.get(headers["call-id"][0])
        status = subscriber.notified(headers, body) if subscriber and first.startswith("NOTIFY ") else "481 Gone"
        copied = "".join(f"{name}: {value}\r\n" for name in ("via", "from", "to", "call-id", "cseq") for value in headers[name])
        contact = f"Contact: <sip:soak@127.0.0.1:{self.port}>\r\n"
        self.transport.sendto(f"SIP/2.0 {status}\r\n{copied}{contact}Content-Length: 0\r\n\r\n".encode(), address)

    async def request(self, port, method, uri, headers, body="", seconds=32, until=None):
        """(status, headers), or None: no answer. Sent again as RFC 3261's timer E has it."""
        branch = "z9hG4bK" + self.token()
        text = (f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{self.port};branch={branch}\r\nMax-Forwards: 70\r\n"
                + "".join(f"{name}: {value}\r\n" for name, value in headers)
                + f"Contact: <sip:soak@127.0.0.1:{self.port}>\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode()
        answer = self.transactions[branch] = asyncio.get_running_loop().create_future()
        end, wait = time.monotonic() + seconds, 0.5
        try:
            while True:
                self.transport.sendto(text, ("127.0.0.1", port))
                done, _ = await asyncio.wait([answer], timeout=min(wait, max(0, end - time.monotonic())))
                if done:
                    return answer.result()
                if time.monotonic() >= end:
                    return None
                wait = min(wait * 2, 4)
        finally:
            del self.transactions[branch]


class Subscriber:
    """A SIP watcher: keeps its dialog alive, makes another where it ended."""

    def __init__(self, sip, watch, node, watcher, presentity, expires):
        self.sip, self.watch, self.node, self.watcher, self.presentity, self.expires = sip, watch, node, watcher, presentity, expires
        self.call_id = None
        self.kicked = asyncio.Event()
        self.ended = ""
        self.early = False
        self.notifies = 0
        self.gone_dialogs = 0

    def fresh(self):
        if self.call_id:
            self.sip.dialogs.pop(self.call_id, None)
        self.call_id, self.tag, self.to = self.sip.token(), self.sip.token(), f"<sip:{self.presentity}>"
        self.cseq, self.remote_cseq, self.branches, self.target = 0, -1, set(), f"sip:{self.presentity}"
        self.ended, self.routes, self.lapses = "", [], 0
        self.kicked.clear()
        self.sip.dialogs[self.call_id] = self

    async def run(self):
        await asyncio.sleep(self.sip.rng.random() * 3)
        self.fresh()
        while True:
            self.cseq += 1
            answer = await self.sip.request(self.node.sip_port, "SUBSCRIBE", self.target, [
                ("From", f"<sip:{self.watcher}>;tag={self.tag}"), ("To", self.to), ("Call-ID", self.call_id),
                ("CSeq", f"{self.cseq} SUBSCRIBE"), ("Event", "presence"), ("Accept", "application/pidf+xml"),
                ("Expires", str(self.expires)), *(("Route", route) for route in self.routes)])
            lapsed = time.monotonic() >= self.lapses  # its node was away, or frozen, for the rest of what it had granted
            if answer and answer[0] == 481 and self.cseq > 1 and not self.ended and not lapsed:
                self.gone_dialogs += 1
                self.watch.dialog_lost()
            if not answer or answer[0] >= 300 or self.ended:
                why = self.ended or (answer[0] if answer else "no answer")
                if not answer or answer[0] >= 300:
                    self.watch.shown("none", "unknown", {}, f"SUBSCRIBE: {why}")
                await asyncio.sleep(3)
                self.fresh()
                continue
            if self.cseq == 1:
                self.routes = answer[1].get("record-route", [])[::-1]
            self.to = answer[1]["to"][0]
            self.target = re.search(r"<([^>]*)>", answer[1]["contact"][0])[1]
            granted = int(answer[1]["expires"][0])
            self.lapses = time.monotonic() + granted - 1  # of which the answer's way took a bit
            try:
                await asyncio.wait_for(self.kicked.wait(), granted * (0.5 + 0.3 * self.sip.rng.random()))
                if self.early:
                    self.early = False
                    self.kicked.clear()
                    continue
                await asyncio.sleep(3)
                self.fresh()
            except TimeoutError:
                pass

    def refresh(self):
        """Now: its server has lost all it knew, and would never tell."""
        self.early = True
        self.kicked.set()

    def read(self, body):
        """(notes of the open tuples, how many tuples)"""
        tuples = ET.fromstring(body).findall(PIDF + "tuple")
        return [n.text for t in tuples if t.findtext(f"{PIDF}status/{PIDF}basic") == "open" for n in t.findall(PIDF + "note")], len(tuples)

    def notified(self, headers, body):
        cseq = int(headers["cseq"][0].split()[0])
        branch = re.search(r"branch=([^;]+)", headers["via"][0])[1]
        if branch in self.branches:
            return "200 OK"  # sent again
        self.branches.add(branch)
        if cseq <= self.remote_cseq:
            if not self.routes:  # the processes of a Kamailio that was frozen do not keep the order of what waited
                self.sip.complain("cseq", f"{self.watch}: NOTIFY {cseq} after {self.remote_cseq}")
            return "500 Out of order"
        self.remote_cseq = cseq
        self.notifies += 1
        state = headers["subscription-state"][0]
        notes, tuples = self.read(body) if body else ([], 0)
        word = state.split(";")[0]
        self.watch.shown(word, "live" if tuples else "unknown", read_notes(notes), state)
        if word == "terminated":
            self.ended = state
            self.kicked.set()
        return "200 OK"
