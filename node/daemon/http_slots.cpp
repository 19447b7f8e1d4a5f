#include "node/daemon/http_slots.hpp"

#include <algorithm>
#include <charconv>

#include "proto/limits.hpp"

namespace presmesh::daemon {

void HttpSlots::start(proto::Now now, translators::Host& host, translators::Translator& translator) {
    host_ = &host;
    translator_ = &translator;
    for (const auto& [key, value] : host.load(translator)) {
        const auto text = proto::as_text(value);
        const auto space = text.find(' ');
        std::int64_t expires = 0;
        std::from_chars(text.data(), text.data() + std::min(space, text.size()), expires);
        if (space != std::string_view::npos)
            slots_[key] = {std::string(text.substr(space + 1)),
                           now.steady + std::min<proto::Duration>(proto::wall_from_seconds(expires) - now.wall,
                                                                  proto::limits::publication_max_expires)};
    }
    sweep(now);
}

std::string HttpSlots::key_of(const proto::PresentityUri& presentity, std::string_view name) {
    return presentity.canonical() + "\n" + std::string(name);
}

std::string HttpSlots::etag(proto::Now now, const proto::PresentityUri& presentity, std::string_view name) const {
    const auto slot = slots_.find(key_of(presentity, name));
    return slot == slots_.end() || slot->second.until <= now.steady ? std::string() : slot->second.etag;
}

void HttpSlots::set(proto::Now now, const proto::PresentityUri& presentity, std::string_view name, std::string etag,
                    std::chrono::seconds expires) {
    const auto key = key_of(presentity, name);
    const auto value = std::to_string(proto::to_seconds(now.wall + expires)) + " " + etag;
    host_->save(*translator_, key, proto::as_bytes(value));
    slots_[key] = {std::move(etag), now.steady + expires};
}

void HttpSlots::forget(Slots::iterator slot) {
    host_->erase(*translator_, slot->first);
    slots_.erase(slot);
}

void HttpSlots::erase(const proto::PresentityUri& presentity, std::string_view name) {
    const auto slot = slots_.find(key_of(presentity, name));
    if (slot != slots_.end()) forget(slot);
}

void HttpSlots::replace(proto::Now now, const proto::PresentityUri& presentity, std::string_view old_etag,
                        const std::string& new_etag, std::chrono::seconds expires) {
    const auto prefix = key_of(presentity, "");
    for (auto slot = slots_.lower_bound(prefix); slot != slots_.end() && slot->first.starts_with(prefix); ++slot) {
        if (slot->second.etag != old_etag) continue;
        if (expires.count() == 0) {
            forget(slot);
        } else {
            set(now, presentity, slot->first.substr(prefix.size()), new_etag, expires);
        }
        return;
    }
}

void HttpSlots::sweep(proto::Now now) {
    for (auto slot = slots_.begin(); slot != slots_.end();) {
        const auto at = slot++;
        if (at->second.until <= now.steady) forget(at);
    }
}

}  // namespace presmesh::daemon
