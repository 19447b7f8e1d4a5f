"""Real SIP clients: sipp, driven by scenarios made for each act. A watcher keeps its dialog and logs every NOTIFY; a publisher sends
one PUBLISH and ends."""
import re
import subprocess
import time
import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape

from . import LabError, wait_for

PIDF = "urn:ietf:params:xml:ns:pidf"

OK = """<![CDATA[

SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:watcher@[local_ip]:[local_port]>
Content-Length: 0

]]>"""

SUBSCRIBE = """<?xml version="1.0" encoding="UTF-8"?>
<scenario name="watcher">
  <send retrans="500"><![CDATA[

SUBSCRIBE sip:@PRESENTITY@ SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
Max-Forwards: 70
From: <sip:@WATCHER@>;tag=[pid]w[call_number]
To: <sip:@PRESENTITY@>
Call-ID: [call_id]
CSeq: 1 SUBSCRIBE
Contact: <sip:watcher@[local_ip]:[local_port]>
Event: presence
Accept: application/pidf+xml
Expires: 3600
Content-Length: 0

]]></send>
  <!-- A proxy with several workers may let the first NOTIFY overtake the 200 (RFC 6665 section 4.1.2.4). -->
  <label id="waiting"/>
  <recv response="100" optional="true"/>
  <recv request="NOTIFY" optional="true" next="early"/>
  <recv response="200" rrs="true" next="accepted"/>
  <label id="early"/>
  <send next="waiting">@OK@</send>
  <label id="accepted"/>@LEAVE@
  <label id="again"/>
  <recv request="NOTIFY" timeout="@SECONDS@000" ontimeout="end"/>
  <send next="again">@OK@</send>
  <label id="end"/>
  <nop/>
</scenario>
"""

# Once a NOTIFY says something, the watcher unsubscribes; it goes on listening. Never a <nop/>: a message that comes then ends the call.
LEAVE = """
  <recv request="NOTIFY" timeout="@SECONDS@000" ontimeout="end" next="leave" test="seen">
    <action><ereg regexp="@UNTIL@" search_in="msg" assign_to="seen"/></action>
  </recv>
  <send next="accepted">@OK@</send>
  <label id="leave"/>
  <send>@OK@</send>
  <send retrans="500"><![CDATA[

SUBSCRIBE [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
Max-Forwards: 70
[routes]
From: <sip:@WATCHER@>;tag=[pid]w[call_number]
To: <sip:@PRESENTITY@>[peer_tag_param]
Call-ID: [call_id]
CSeq: 2 SUBSCRIBE
Contact: <sip:watcher@[local_ip]:[local_port]>
Event: presence
Accept: application/pidf+xml
Expires: 0
Content-Length: 0

]]></send>
  <recv response="100" optional="true"/>
  <recv response="200"/>"""

PUBLISH = """<?xml version="1.0" encoding="UTF-8"?>
<scenario name="publisher">
  <send retrans="500"><![CDATA[

PUBLISH sip:@PRESENTITY@ SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
Max-Forwards: 70
From: <sip:@PRESENTITY@>;tag=[pid]p[call_number]
To: <sip:@PRESENTITY@>
Call-ID: [call_id]
CSeq: 1 PUBLISH
Contact: <sip:publisher@[local_ip]:[local_port]>
Event: presence
Expires: @EXPIRES@
@MATCH@Content-Type: application/pidf+xml
Content-Length: [len]

@BODY@]]></send>
  <recv response="100" optional="true"/>
  <recv response="200"/>
</scenario>
"""


def pidf(presentity, basic="open", note=None, show=None, priority=None, tuple_id="t1", activity=None, lang=None):
    """A presence document as SIP clients write it; `show` goes where RFC 8048 section 6.2 recommends."""
    status = f"<basic>{basic}</basic>" + (f"<show xmlns='jabber:client'>{show}</show>" if show else "")
    contact = f" priority='{priority}'" if priority is not None else ""
    text = f"<note{f' xml:lang={chr(39)}{lang}{chr(39)}' if lang else ''}>{escape(note)}</note>" if note else ""
    person = (f"<dm:person xmlns:dm='{PIDF}:data-model' id='p1'><r:activities xmlns:r='{PIDF}:rpid'><r:{activity}/></r:activities>"
              "</dm:person>") if activity else ""
    return (f"<?xml version='1.0' encoding='UTF-8'?>\n<presence xmlns='{PIDF}' entity='pres:{presentity}'><tuple id='{tuple_id}'>"
            f"<status>{status}</status><contact{contact}>sip:{presentity}</contact>{text}</tuple>{person}</presence>\n")


def read_pidf(body):
    """What a watcher sees: a list of dicts, one per tuple, plus what the person says."""
    root = ET.fromstring(body)
    person = [a.tag.split("}")[1] for a in root.iter() if a.tag.startswith("{" + PIDF + ":rpid}") and a.tag.split("}")[1] not in
              ("activities", "note", "user-input")]
    out = []
    for t in root.findall(f"{{{PIDF}}}tuple"):
        contact = t.find(f"{{{PIDF}}}contact")
        out.append({"id": t.get("id"), "basic": t.findtext(f"{{{PIDF}}}status/{{{PIDF}}}basic"),
                    "show": t.findtext(f"{{{PIDF}}}status/{{jabber:client}}show"),
                    "priority": contact.get("priority") if contact is not None else None,
                    "notes": [n.text for n in t.findall(f"{{{PIDF}}}note")], "activities": person})
    return {"tuples": out, "notes": [n.text for n in root.findall(f"{{{PIDF}}}note")], "activities": person}


class Watcher:
    """Subscribes as `watcher` to `presentity` at a server on a loopback port, and keeps every NOTIFY it gets. Unsubscribes when one
    has the text `until` in it."""

    def __init__(self, lab, name, port, watcher, presentity, transport="u1", seconds=600, until=None):
        self.log = lab.sub(name) / "messages.log"
        scenario = lab.sub(name) / "watcher.xml"
        text = SUBSCRIBE.replace("@LEAVE@", LEAVE.replace("@UNTIL@", until) if until else "").replace("@OK@", OK)
        scenario.write_text(text.replace("@PRESENTITY@", presentity).replace("@WATCHER@", watcher).replace("@SECONDS@", str(seconds)))
        self.presentity = presentity
        self.process = lab.start(name, ["sipp", f"127.0.0.1:{port}", "-sf", scenario, "-m", "1", "-i", "127.0.0.1", "-p", str(lab.port()),
                                        "-t", transport, "-trace_msg", "-message_file", self.log, "-nostdin", "-timeout", f"{seconds}s",
                                        "-default_behaviors", "all,-bye"], folder=lab.sub(name), env={"TERM": "dumb"})

    def messages(self):
        """(unix time, message) of everything received."""
        if not self.log.exists():
            return []
        out = []
        for block in re.split(r"^-{20,}", self.log.read_text(errors="replace"), flags=re.M)[1:]:
            head, _, rest = block.partition("\n")
            kind, _, message = rest.partition("\n\n")
            if "received" in kind:
                stamp = re.search(r"(\d+-\d+-\d+)[ \t]+(\d+:\d+:\d+)\.(\d+)", head)
                at = time.mktime(time.strptime(f"{stamp[1]} {stamp[2]}", "%Y-%m-%d %H:%M:%S")) + float("0." + stamp[3]) if stamp else 0
                out.append((at, message.strip("\n")))
        return out

    def notifies(self):
        """(unix time, Subscription-State, body or "") of each NOTIFY so far."""
        out = []
        for at, message in self.messages():
            if message.startswith("NOTIFY "):
                head, _, body = message.replace("\r", "").partition("\n\n")
                state = re.search(r"^Subscription-State:\s*(.*)$", head, re.M | re.I)
                out.append((at, state[1] if state else "", body.strip()))
        return out

    def states(self):
        return [(at, read_pidf(body)) for at, _, body in self.notifies() if body]

    def last(self):
        """What the last NOTIFY shows: nothing, where it has no body."""
        body = self.notifies()[-1][2]
        return read_pidf(body) if body else {"tuples": [], "notes": [], "activities": []}

    def wait(self, condition, seconds=10, what="a NOTIFY"):
        """The unix time at which the first state that satisfies `condition` came."""
        def find():
            return next(((at, state) for at, state in self.states() if condition(state)), None)
        try:
            return wait_for(find, seconds, what)
        except LabError as error:
            raise LabError(f"{error}; {self.presentity} was last seen as {self.states()[-1:] or 'nothing'}") from None

    def stop(self):
        self.process.stop()


class Publisher:
    """One SIP user's publication: PUBLISH, then modify it, with the entity tag the server gave."""

    def __init__(self, lab, name, port, presentity, tuple_id="t1"):
        self.lab, self.name, self.port, self.presentity, self.tuple_id = lab, name, port, presentity, tuple_id
        self.etag = None
        self.count = 0

    def publish(self, expires=3600, **what):
        """Answers the unix time as the PUBLISH left, by sipp's stamp: up to a millisecond late."""
        body = pidf(self.presentity, tuple_id=self.tuple_id, **what)
        return self._send(expires, body)

    def remove(self):
        return self._send(0, "")

    def _send(self, expires, body):
        self.count += 1
        folder = self.lab.sub(self.name)
        scenario, log = folder / f"publish-{self.count}.xml", folder / f"publish-{self.count}.log"
        match = f"SIP-If-Match: {self.etag}\n" if self.etag else ""
        text = PUBLISH.replace("@PRESENTITY@", self.presentity).replace("@EXPIRES@", str(expires)).replace("@MATCH@", match)
        if not body:
            text = text.replace("Content-Type: application/pidf+xml\n", "")
        scenario.write_text(text.replace("@BODY@", body))
        done = subprocess.run(["sipp", f"127.0.0.1:{self.port}", "-sf", str(scenario), "-m", "1", "-i", "127.0.0.1", "-p", str(self.lab.port()),
                               "-trace_msg", "-message_file", str(log), "-nostdin", "-timeout", "10s"],
                              capture_output=True, text=True, cwd=folder, env={"TERM": "dumb", "PATH": "/usr/bin:/bin"})
        trace = log.read_text(errors="replace") if log.exists() else ""
        if done.returncode != 0:
            raise LabError(f"PUBLISH of {self.presentity} was refused or not answered:\n{trace[-800:]}")
        self.etag = re.search(r"^SIP-ETag:\s*(\S+)", trace, re.M | re.I)[1]
        sent = re.search(r"(\d+-\d+-\d+)[ \t]+(\d+:\d+:\d+)\.(\d+)", trace)
        return time.mktime(time.strptime(f"{sent[1]} {sent[2]}", "%Y-%m-%d %H:%M:%S")) + float("0." + sent[3])
