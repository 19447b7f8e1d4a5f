#include "sim/statistics.hpp"

#include <algorithm>
#include <cmath>

#include "proto/assert.hpp"

namespace presmesh::sim {

namespace {

constexpr double smallest = 1e-9;         // everything below is one bucket
constexpr int buckets_per_doubling = 64;  // relative width 1.09%, so the middle is within 0.55%

}  // namespace

double student_t_95(std::size_t degrees_of_freedom) {
    PRESMESH_ASSERT(degrees_of_freedom >= 1);
    static constexpr double table[] = {12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281,
                                       2.2010,  2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860,
                                       2.0796,  2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423};
    if (degrees_of_freedom <= std::size(table)) return table[degrees_of_freedom - 1];
    // Cornish and Fisher's expansion around the normal quantile; exact to four digits from here on.
    const double z = 1.959964, n = static_cast<double>(degrees_of_freedom);
    return z + (z * z * z + z) / (4 * n) + (5 * std::pow(z, 5) + 16 * z * z * z + 3 * z) / (96 * n * n);
}

Estimate estimate(const std::vector<double>& replications) {
    Estimate e;
    e.replications = replications.size();
    if (replications.empty()) return e;
    const double n = static_cast<double>(replications.size());
    for (double x : replications) e.mean += x / n;
    if (replications.size() < 2) return e;
    double squares = 0;
    for (double x : replications) squares += (x - e.mean) * (x - e.mean);
    e.half_width = student_t_95(replications.size() - 1) * std::sqrt(squares / (n - 1) / n);
    return e;
}

void Quantiles::add(double value) {
    PRESMESH_ASSERT(value >= 0);
    ++count_;
    sum_ += value;
    max_ = std::max(max_, value);
    if (!buckets_.empty()) return add_to_bucket(value, 1);
    exact_.push_back(value);
    sorted_ = false;
    if (exact_.size() > exact_values) spill();
}

void Quantiles::spill() {
    for (double value : exact_) add_to_bucket(value, 1);
    exact_.clear();
    exact_.shrink_to_fit();
}

std::size_t Quantiles::bucket(double value) {
    if (value <= smallest) return 0;
    return 1 + static_cast<std::size_t>(std::log2(value / smallest) * buckets_per_doubling);
}

double Quantiles::middle(std::size_t bucket) {
    if (bucket == 0) return 0;
    return smallest * std::exp2((static_cast<double>(bucket - 1) + 0.5) / buckets_per_doubling);
}

void Quantiles::add_to_bucket(double value, std::uint64_t times) {
    auto index = bucket(value);
    if (index >= buckets_.size()) buckets_.resize(index + 1);
    buckets_[index] += times;
}

double Quantiles::at(double share) const {
    PRESMESH_ASSERT(share >= 0 && share <= 1);
    if (count_ == 0) return 0;
    auto rank = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_)));
    rank = rank == 0 ? 0 : rank - 1;
    if (buckets_.empty()) {
        if (!sorted_) std::sort(exact_.begin(), exact_.end());
        sorted_ = true;
        return exact_[rank];
    }
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
        seen += buckets_[i];
        if (seen > rank) return std::min(middle(i), max_);
    }
    return max_;
}

void Quantiles::merge(const Quantiles& other) {
    if (&other == this) return merge(Quantiles(other));  // what is read must not grow under the reader
    const bool into_buckets =
        !buckets_.empty() || !other.buckets_.empty() || exact_.size() + other.exact_.size() > exact_values;
    if (into_buckets) spill();
    for (double value : other.exact_) {
        if (into_buckets)
            add_to_bucket(value, 1);
        else
            exact_.push_back(value);
    }
    for (std::size_t i = 0; i < other.buckets_.size(); ++i) {
        if (other.buckets_[i]) add_to_bucket(middle(i), other.buckets_[i]);
    }
    sorted_ = false;
    count_ += other.count_;
    sum_ += other.sum_;
    max_ = std::max(max_, other.max_);
}

}  // namespace presmesh::sim
