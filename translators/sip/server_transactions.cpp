#include "translators/sip/server_transactions.hpp"

namespace presmesh::translators::sip {
namespace {

constexpr auto remembered_for = std::chrono::seconds{32};  // timer J: 64*T1

}  // namespace

ServerTransactions::Seen ServerTransactions::see(proto::SteadyTime now, std::string key) {
    forget_old(now);
    const auto [at, is_new] = by_key_.try_emplace(std::move(key));
    auto& entry = at->second;
    if (!is_new) return {entry.is_answered ? Verdict::answered : Verdict::in_work, entry.transaction, &entry.response};
    entry.transaction = ++last_;
    by_transaction_[entry.transaction] = &entry;
    by_age_.emplace_back(now, at->first);
    return {Verdict::fresh, entry.transaction, nullptr};
}

void ServerTransactions::answered(TransactionId transaction, const Response& response) {
    const auto found = by_transaction_.find(transaction);
    if (found == by_transaction_.end()) return;
    found->second->is_answered = true;
    found->second->response = response;
}

void ServerTransactions::forget_old(proto::SteadyTime now) {
    while (!by_age_.empty() && (by_age_.size() >= bound_ || by_age_.front().first + remembered_for <= now)) {
        const auto found = by_key_.find(by_age_.front().second);
        by_transaction_.erase(found->second.transaction);
        by_key_.erase(found);
        by_age_.pop_front();
    }
}

}  // namespace presmesh::translators::sip
