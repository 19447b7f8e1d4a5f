#!/usr/bin/python3
"""An XMPP user for the demo and the interop tests: logs in without TLS, does what stdin says, prints what it hears.

usage: xmpp_client.py --jid juliet@x.example/balcony --password SECRET --port 5222 [--host 127.0.0.1] [--approve]

Commands, one a line:
  subscribe JID | subscribed JID | unsubscribe JID | unsubscribed JID | probe JID
  presence [show=away] [priority=5] [status=TEXT TO THE END OF THE LINE]
  unavailable [status=TEXT]
  directed JID [show=...] [priority=...] [status=...]
  message JID TEXT
  disco JID | ping JID | roster | quit

Output, one JSON object a line, each with "event" and "t" (seconds since the epoch):
  {"event": "online", "jid": ...}                      logged in, first presence sent
  {"event": "presence", "from", "type", "show", "status", "priority", "lang", "extensions"}
        type is "available", "unavailable", "subscribe", "subscribed", "unsubscribe", "unsubscribed", "error"
  {"event": "roster", "items": {jid: subscription}}    {"event": "iq", "ok", "name", "text"}
  {"event": "message", "from", "type", "body"}         {"event": "failed", "why"}    {"event": "closed"}
With --approve every subscription request is granted at once.
"""
import argparse
import asyncio
import json
import logging
import sys
import time
import warnings

warnings.simplefilter("ignore")
import slixmpp  # noqa: E402
from slixmpp.exceptions import XMPPError  # noqa: E402

KNOWN = {"show", "status", "priority"}


def say(event, **fields):
    print(json.dumps({"event": event, "t": round(time.time(), 6), **fields}, ensure_ascii=False), flush=True)


def words(text):
    """'show=away status=at the sea' -> {...}; status takes the rest of the line."""
    fields = {}
    while text:
        if text.startswith("status="):
            fields["status"] = text[len("status="):]
            break
        word, _, text = text.partition(" ")
        key, _, value = word.partition("=")
        if key:
            fields[key] = value
    return fields


class User(slixmpp.ClientXMPP):
    def __init__(self, options):
        super().__init__(options.jid, options.password)
        self.options = options
        self.auto_authorize = True if options.approve else None
        self.auto_subscribe = False
        self.register_plugin("xep_0030")
        self.register_plugin("xep_0199")
        self.add_event_handler("session_start", self.on_start)
        self.add_event_handler("failed_all_auth", lambda _: self.give_up("authentication"))
        self.add_event_handler("connection_failed", lambda why: self.give_up(str(why)))
        self.add_event_handler("disconnected", self.on_disconnected)
        self.add_event_handler("message", self.on_message)
        self.add_event_handler("message_error", self.on_message)
        self.register_handler(slixmpp.xmlstream.handler.Callback(
            "every presence", slixmpp.xmlstream.matcher.StanzaPath("presence"), self.on_presence))

    def give_up(self, why):
        say("failed", why=why)
        self.loop.call_soon(self.loop.stop)

    async def on_start(self, _):
        await self.get_roster()
        if not self.options.quiet:
            self.send_presence()
        say("online", jid=str(self.boundjid))
        self.loop.create_task(self.read_commands())

    def on_disconnected(self, _):
        say("closed")
        self.loop.call_soon(self.loop.stop)

    def on_presence(self, stanza):
        if stanza["from"].bare == self.boundjid.bare and stanza["from"].resource == self.boundjid.resource:
            return
        xml = stanza.xml
        namespace = "{jabber:client}"
        extensions = [child.tag for child in xml if child.tag.replace(namespace, "") not in KNOWN]
        priority = xml.findtext(namespace + "priority")
        say("presence", type=xml.get("type") or "available", show=xml.findtext(namespace + "show"),
            status=xml.findtext(namespace + "status"), priority=int(priority) if priority else None,
            lang=xml.get("{http://www.w3.org/XML/1998/namespace}lang"), extensions=extensions,
            **{"from": xml.get("from")})

    def on_message(self, stanza):
        say("message", type=stanza["type"], body=stanza["body"], **{"from": str(stanza["from"])})

    async def read_commands(self):
        reader = asyncio.StreamReader()
        await self.loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            await self.obey(line.decode().strip())
        await self.disconnect()

    async def obey(self, line):
        command, _, rest = line.partition(" ")
        if not command:
            return
        if command in ("subscribe", "subscribed", "unsubscribe", "unsubscribed", "probe"):
            self.send_presence(pto=rest, ptype=command)
        elif command == "presence":
            self.show(words(rest))
        elif command == "unavailable":
            self.send_presence(ptype="unavailable", pstatus=words(rest).get("status"))
        elif command == "directed":
            to, _, fields = rest.partition(" ")
            self.show(words(fields), to)
        elif command == "message":
            to, _, body = rest.partition(" ")
            self.send_message(mto=to, mbody=body)
        elif command in ("disco", "ping"):
            await self.ask(command, rest)
        elif command == "roster":
            await self.get_roster()
            say("roster", items={jid: self.client_roster[jid]["subscription"] for jid in self.client_roster})
        elif command == "quit":
            await self.disconnect()
        else:
            say("failed", why="unknown command " + command)

    def show(self, fields, to=None):
        stanza = self.make_presence(pto=to, pshow=fields.get("show"), pstatus=fields.get("status"),
                                    ppriority=fields.get("priority"))
        stanza.send()

    async def ask(self, what, jid):
        try:
            if what == "ping":
                await self["xep_0199"].send_ping(jid, timeout=5)
                say("iq", ok=True, name="ping", text="")
            else:
                answer = await self["xep_0030"].get_info(jid=jid, timeout=5)
                features = sorted(answer["disco_info"]["features"])
                say("iq", ok=True, name="disco", text=" ".join(features))
        except XMPPError as error:
            say("iq", ok=False, name=what, text=error.condition)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--jid", required=True)
    parser.add_argument("--password", required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--approve", action="store_true")
    parser.add_argument("--quiet", action="store_true", help="log in without a first presence")
    options = parser.parse_args()
    logging.basicConfig(level=logging.CRITICAL)
    user = User(options)
    user.connect(address=(options.host, options.port), use_ssl=False, force_starttls=False, disable_starttls=True)
    try:
        user.loop.run_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
