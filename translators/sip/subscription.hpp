// One subscription to us: its dialog, and what it is owed. Values, and how they are kept over a restart.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "proto/bytes.hpp"
#include "proto/result.hpp"
#include "proto/time.hpp"
#include "proto/uri.hpp"
#include "translators/sip/message.hpp"
#include "translators/sip/rate.hpp"
#include "translators/translator.hpp"

namespace presmesh::translators::sip {

/// A dialog as RFC 3261 section 12 asks each end to keep it.
struct Dialog {
    std::string call_id;
    Party local;
    Party remote;
    std::string target;               ///< the other end's Contact
    std::vector<std::string> routes;  ///< in the order we send them
    std::uint32_t local_cseq = 0;     ///< of our last request
    std::uint32_t remote_cseq = 0;    ///< of theirs
    bool operator==(const Dialog&) const = default;
};

/// A request within `dialog`, with the next CSeq.
Request next_request(Dialog& dialog, Method method);

/// Event packages of which we are the notifier.
enum class Package : std::uint8_t {
    presence,  ///< RFC 3856
    winfo      ///< RFC 3857, of presence
};
std::string_view event_of(Package package);
std::string_view media_type_of(Package package);

/// What of a subscription survives a restart.
struct SavedSubscription {
    Package package = Package::presence;
    Dialog dialog;  ///< local_cseq: at least that of every NOTIFY sent
    std::string event_id;
    proto::PresentityUri watcher;
    proto::PresentityUri presentity;
    proto::WallTime expires{};  ///< whole seconds
    bool body_sent = false;     ///< the watcher has been shown a state
    AskedRate rate;
    bool operator==(const SavedSubscription&) const = default;

    /// Lines of text. Equal values give equal bytes. Version 1, which knew no rates, and 2, which
    /// knew no packages, are still read.
    proto::Bytes encode() const;
    /// malformed, unsupported_version.
    static proto::Result<SavedSubscription> decode(proto::BytesView bytes);
};

}  // namespace presmesh::translators::sip
