// Many named wake-ups, the next one first. Equal times come in the order of their names.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <utility>

#include "proto/time.hpp"

namespace presmesh::translators::sip {

template <typename Name>
class Timers {
  public:
    /// One time per name; `proto::never` takes it away.
    void set(const Name& name, proto::SteadyTime at) {
        cancel(name);
        if (at == proto::never) return;
        at_[name] = at;
        queue_.insert({at, name});
    }
    void cancel(const Name& name) {
        const auto found = at_.find(name);
        if (found == at_.end()) return;
        queue_.erase({found->second, name});
        at_.erase(found);
    }
    proto::SteadyTime next() const { return queue_.empty() ? proto::never : queue_.begin()->first; }
    /// The next name whose time has come; it is taken away.
    std::optional<Name> pop(proto::SteadyTime now) {
        if (queue_.empty() || queue_.begin()->first > now) return std::nullopt;
        auto name = queue_.begin()->second;
        cancel(name);
        return name;
    }

  private:
    std::map<Name, proto::SteadyTime> at_;
    std::set<std::pair<proto::SteadyTime, Name>> queue_;
};

}  // namespace presmesh::translators::sip
