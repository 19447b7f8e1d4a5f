// Others' text on the lines that an operator reads.
#include "node/daemon/printable.hpp"

#include <doctest/doctest.h>

#include "node/cli/view_text.hpp"
#include "node/daemon/log.hpp"

using namespace presmesh;
using daemon::printable;
using daemon::quotable;

TEST_CASE("control characters are escaped, C1 among them, and what is no UTF-8; the rest stays") {
    CHECK(printable("back at 3") == "back at 3");
    CHECK(printable("zur\xc3\xbc"
                    "ck \xe2\x98\x95 \xf0\x9f\x98\x80 \xc2\xa0") ==
          "zur\xc3\xbc"
          "ck \xe2\x98\x95 \xf0\x9f\x98\x80 \xc2\xa0");
    CHECK(printable("a\r\n\tb") == "a\\r\\n\\tb");
    CHECK(printable(std::string_view("\0\x1b[2J\x7f", 6)) == "\\u0000\\u001b[2J\\u007f");
    CHECK(printable("\xc2\x80\xc2\x9b"
                    "31m\xc2\x9f") == "\\u0080\\u009b31m\\u009f");
    CHECK(printable("\x9b\xff\xc3") == "\\x9b\\xff\\xc3");
    CHECK(printable("\xc0\x9b\xed\xa0\x80\xf4\x90\x80\x80") == "\\xc0\\x9b\\xed\\xa0\\x80\\xf4\\x90\\x80\\x80");
    CHECK(printable("say \"no\\yes\"") == "say \"no\\yes\"");
    CHECK(quotable("say \"no\\yes\"\n") == "say \\\"no\\\\yes\\\"\\n");
}

TEST_CASE("a note forges no line, and does not end before it ends") {
    const cli::Json view = {
        {"presentity", "pres:mallory@m.example"},
        {"liveness", "live"},
        {"state", "active"},
        {"presence",
         {{"services",
           {{{"id", "x\nid"},
             {"basic", "open"},
             {"notes", {{{"text", "hi\" (phone)\npres:alice@a.example  open \"come over\xc2\x85\x1b[1A"}}}}}}}}}};
    CHECK(cli::line_of(view) ==
          "pres:mallory@m.example  open \"hi\\\" (phone)\\npres:alice@a.example  open \\\"come "
          "over\\u0085\\u001b[1A\" (x\\nid)\n");
    CHECK(cli::watchers_text({{"watchers", {{{"watcher", "pres:a\nb@c"}, {"state", "active"}, {"handling", "x"}}}}}) ==
          "pres:a\\nb@c  active  x\n");
}

TEST_CASE("nor does what the log tells of") {
    CHECK(daemon::log_line(daemon::LogFormat::text, "not reloaded: \n\xc2\x9bx", {{"why", "\xc2\x9b\"2J"}}) ==
          "not reloaded: \\n\\u009bx why=\"\\u009b\\\"2J\"");
}
