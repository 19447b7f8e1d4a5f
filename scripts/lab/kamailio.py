"""A real Kamailio from Debian's packages, configured as its operators do: a presence server, and perhaps a way to the federation."""
from . import Server, sip

CONFIG = """\
#!KAMAILIO
# What an operator has anyway: a registrar-less presence server for @DOMAIN@.
debug=1
log_stderror=yes
children=@WORKERS@
tcp_children=1
auto_aliases=no
listen=udp:127.0.0.1:@PORT@
listen=tcp:127.0.0.1:@PORT@
alias=@DOMAIN@
disable_tcp=no
user_agent_header="User-Agent: Kamailio"

loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "xlog.so"
@DB_MODULE@
loadmodule "presence.so"
loadmodule "presence_xml.so"

modparam("presence", "db_url", "@DB_URL@")
modparam("presence", "server_address", "sip:127.0.0.1:@PORT@")
@PRESENCE_PARAMS@
modparam("presence_xml", "force_active", 1)
modparam("presence_xml", "db_url", "@DB_URL@")
modparam("tm", "fr_timer", 3000)

request_route {
    if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
@FEDERATION@
    if (has_totag()) {
        if (loose_route()) {
            # Requests of a dialog the federation answered go where its Route says.
            if (uri != myself) { t_relay(); exit; }
        }
    }
    if (is_method("PUBLISH|SUBSCRIBE")) {
        if (is_method("PUBLISH")) { handle_publish(); } else { handle_subscribe(); }
        exit;
    }
    if (is_method("NOTIFY")) { t_relay(); exit; }
    sl_send_reply("405", "Method Not Allowed");
}
"""

# The only change presmesh asks of an operator: this routing block.
FEDERATION = """
    # Presence of federation domains is asked of the presmesh node beside us.
    if (is_method("SUBSCRIBE") && !has_totag() && ($rd != "@DOMAIN@") && ($rd != "127.0.0.1")) {
        record_route();
        $du = "sip:127.0.0.1:@TRANSLATOR@";
        t_relay();
        exit;
    }
"""


class Kamailio(Server):
    """mode: "memory" (subscriptions and publications in shared memory) or "sqlite" (the module's defaults over SQLite)."""

    def __init__(self, lab, name, domain, mode="memory", translator_port=None, workers=None):
        self.lab, self.name, self.domain = lab, name, domain
        self.port = lab.port()
        self.folder = lab.sub(name)
        # One, unless asked: several let a NOTIFY overtake the 200 before it, and sipp ends a call in which a message comes while
        # it is about to send one. SQLite refuses concurrent writers anyway.
        workers = workers or 1
        database = self.folder / "kamailio.sqlite"
        if mode == "memory":
            db_module, db_url = 'loadmodule "db_text.so"', f"text://{self.folder}/db"
            params = 'modparam("presence", "subs_db_mode", 0)\nmodparam("presence", "publ_cache", 2)'
            self._text_tables()
        else:
            db_module, db_url = 'loadmodule "db_sqlite.so"', f"sqlite:///{database}"
            params = ""
            self._sqlite_tables(database)
        text = CONFIG.replace("@FEDERATION@", FEDERATION if translator_port else "")
        for key, value in {"WORKERS": workers, "PORT": self.port, "DOMAIN": domain, "DB_MODULE": db_module, "DB_URL": db_url,
                           "PRESENCE_PARAMS": params, "TRANSLATOR": translator_port}.items():
            text = text.replace(f"@{key}@", str(value))
        self.config = self.folder / "kamailio.cfg"
        self.config.write_text(text)

    def _sqlite_tables(self, database):
        import glob
        import sqlite3
        connection = sqlite3.connect(database)
        for name in ("standard", "presence"):
            for script in glob.glob(f"/usr/share/kamailio/db_sqlite/{name}-create.sql"):
                connection.executescript(open(script).read())
        connection.commit()
        connection.close()

    def _text_tables(self):
        import glob
        import shutil
        folder = self.folder / "db"
        folder.mkdir(exist_ok=True)
        for table in glob.glob("/usr/share/kamailio/dbtext/kamailio/*"):
            shutil.copy(table, folder)

    def start(self):
        self.process = self.lab.start(
            self.name, ["/usr/sbin/kamailio", "-f", self.config, "-DD", "-E", "-m", "512", "-M", "16", "-Y", self.folder,
                        "-w", self.folder], folder=self.folder, ready=self._answers)
        return self

    def _answers(self):
        return sip.answers(self.port)
