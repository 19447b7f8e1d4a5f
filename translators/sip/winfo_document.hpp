// Watcher information documents (RFC 3858), written front to back. MAPPING.md says what becomes what.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "proto/time.hpp"
#include "proto/uri.hpp"
#include "translators/translator.hpp"

namespace presmesh::translators::sip {

class WinfoDocument {
  public:
    enum class Extent : std::uint8_t {
        full,    ///< whoever reads it forgets what it was told before
        partial  ///< and adds this to it
    };
    WinfoDocument(const proto::PresentityUri& presentity, std::uint32_t version, Extent extent, std::size_t most_bytes);

    /// False, and nothing is added, when the document would be longer than it may. One watcher it always holds.
    bool add(proto::WallTime now, const WatcherStatus& watcher);
    /// The document; no more can be added.
    std::string take() &&;

  private:
    void attribute(std::string_view name, std::string_view value);

    std::string presentity_;
    std::size_t most_bytes_;
    bool empty_ = true;
    std::string out_;
};

/// A watcher's id in the documents about a presentity: a token (RFC 3261 section 25.1), the same in all of them.
std::string winfo_id(std::string_view presentity, std::string_view watcher);

}  // namespace presmesh::translators::sip
