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
    /// At most `most` are remembered, of at most `most_bytes` in all; beyond, the oldest are forgotten early.
    ServerTransactions(std::size_t most, std::size_t most_bytes) : most_(most), most_bytes_(most_bytes) {}

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
    /// What they take up, about.
    std::size_t bytes() const { return bytes_; }

  private:
    struct Entry {
        TransactionId transaction = 0;
        std::size_t bytes = 0;
        bool is_answered = false;
        Response response;
    };
    using Entries = std::unordered_map<std::string, Entry>;
    void forget_old(proto::SteadyTime now);
    void forget_oldest();

    std::size_t most_;
    std::size_t most_bytes_;
    std::size_t bytes_ = 0;
    TransactionId last_ = 0;
    Entries by_key_;  // never walked, so its order is nobody's business
    std::unordered_map<TransactionId, Entry*> by_transaction_;
    std::deque<std::pair<proto::SteadyTime, const std::string*>> by_age_;  // the keys of by_key_, which never move
};

}  // namespace presmesh::translators::sip
