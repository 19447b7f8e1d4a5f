#include "translators/sip/server_transactions.hpp"

namespace presmesh::translators::sip {
namespace {

constexpr auto remembered_for = std::chrono::seconds{32};  // timer J: 64*T1
constexpr std::size_t entry_overhead = 200;                // the three containers' own, about

std::size_t heap_bytes(const std::string& text) {
    return text.capacity() > std::string().capacity() ? text.capacity() : 0;
}

std::size_t heap_bytes(const std::vector<std::string>& texts) {
    std::size_t sum = texts.capacity() * sizeof(std::string);
    for (const auto& text : texts) sum += heap_bytes(text);
    return sum;
}

std::size_t heap_bytes(const Response& r) {
    std::size_t sum = 0;
    for (const auto* text :
         {&r.phrase, &r.to_tag, &r.etag, &r.allow_events, &r.allow, &r.accept, &r.unsupported, &r.contact})
        sum += heap_bytes(*text);
    return sum + heap_bytes(r.record_routes) + heap_bytes(r.www_authenticate) + heap_bytes(r.proxy_authenticate);
}

}  // namespace

ServerTransactions::Seen ServerTransactions::see(proto::SteadyTime now, std::string key) {
    forget_old(now);
    const auto [at, is_new] = by_key_.try_emplace(std::move(key));
    auto& entry = at->second;
    if (!is_new) return {entry.is_answered ? Verdict::answered : Verdict::in_work, entry.transaction, &entry.response};
    entry.transaction = ++last_;
    entry.bytes = entry_overhead + sizeof(Entry) + sizeof(std::string) + heap_bytes(at->first);
    bytes_ += entry.bytes;
    by_transaction_[entry.transaction] = &entry;
    by_age_.emplace_back(now, &at->first);
    return {Verdict::fresh, entry.transaction, nullptr};
}

void ServerTransactions::answered(TransactionId transaction, const Response& response) {
    const auto found = by_transaction_.find(transaction);
    if (found == by_transaction_.end() || found->second->is_answered) return;
    auto& entry = *found->second;
    entry.is_answered = true;
    entry.response = response;
    const auto added = heap_bytes(entry.response);
    entry.bytes += added;
    bytes_ += added;
}

void ServerTransactions::forget_old(proto::SteadyTime now) {
    while (!by_age_.empty() &&
           (by_age_.size() >= most_ || bytes_ >= most_bytes_ || by_age_.front().first + remembered_for <= now))
        forget_oldest();
}

void ServerTransactions::forget_oldest() {
    const auto found = by_key_.find(*by_age_.front().second);
    by_age_.pop_front();
    bytes_ -= found->second.bytes;
    by_transaction_.erase(found->second.transaction);
    by_key_.erase(found);
}

}  // namespace presmesh::translators::sip
