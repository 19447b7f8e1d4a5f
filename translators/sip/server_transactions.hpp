// Non-INVITE server transactions (RFC 3261 section 17.2.2) without a stack's 10 kB each: a retransmitted request is
// recognised and answered with the response it already had, for 64*T1 over UDP.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <unordered_map>
#include <utility>

#include "proto/time.hpp"
#include "translators/sip/message.hpp"

namespace presmesh::translators::sip {

class ServerTransactions {
  public:
    /// At most `bound` are remembered; beyond, the oldest are forgotten early.
    explicit ServerTransactions(std::size_t bound) : bound_(bound) {}

    enum class Verdict : std::uint8_t { fresh, in_work, answered };
    struct Seen {
        Verdict verdict = Verdict::fresh;
        TransactionId transaction = 0;
        const Response* response = nullptr;  ///< answered: what to send again; valid until the next call
    };
    /// `key` tells requests apart: the top Via's branch and sent-by, Call-ID, CSeq (RFC 3261 section 17.2.3).
    Seen see(proto::SteadyTime now, std::string key);
    void answered(TransactionId transaction, const Response& response);

    std::size_t size() const { return by_key_.size(); }

  private:
    struct Entry {
        TransactionId transaction = 0;
        bool is_answered = false;
        Response response;
    };
    using Entries = std::unordered_map<std::string, Entry>;
    void forget_old(proto::SteadyTime now);

    std::size_t bound_;
    TransactionId last_ = 0;
    Entries by_key_;  // never walked, so its order is nobody's business
    std::unordered_map<TransactionId, Entry*> by_transaction_;
    std::deque<std::pair<proto::SteadyTime, std::string>> by_age_;
};

}  // namespace presmesh::translators::sip
