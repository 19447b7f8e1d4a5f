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
    /// The same for a request that needs nothing that this turn saved: it may go before the rest.
    TransactionId tell(Request request) {
        request.transaction = ++last_;
        news_.emplace_back(std::move(request));
        return last_;
    }

    std::optional<Outgoing> poll_news() { return poll(news_); }
    std::optional<Outgoing> poll() { return poll(news_.empty() ? queue_ : news_); }

  private:
    using Queue = std::deque<Outgoing>;
    static std::optional<Outgoing> poll(Queue& queue) {
        if (queue.empty()) return std::nullopt;
        auto front = std::move(queue.front());
        queue.pop_front();
        return front;
    }

    Queue queue_;  // fetched before the turn ends, so bounded by what one turn makes
    Queue news_;
    TransactionId last_ = 0;
};

}  // namespace presmesh::translators::sip
