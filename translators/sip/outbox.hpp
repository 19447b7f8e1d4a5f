// What the logic wants sent, in order, until the shell fetches it.
#pragma once

#include <deque>
#include <optional>
#include <utility>

#include "translators/sip/message.hpp"

namespace presmesh::translators::sip {

class Outbox {
  public:
    /// Gives the request its name; its answer comes back under it, or a local 408.
    TransactionId send(Request request) {
        request.transaction = ++last_;
        queue_.emplace_back(std::move(request));
        return last_;
    }
    void send(Response response) { queue_.emplace_back(std::move(response)); }

    std::optional<Outgoing> poll() {
        if (queue_.empty()) return std::nullopt;
        auto front = std::move(queue_.front());
        queue_.pop_front();
        return front;
    }

  private:
    std::deque<Outgoing> queue_;  // fetched before the turn ends, so bounded by what one turn makes
    TransactionId last_ = 0;
};

}  // namespace presmesh::translators::sip
