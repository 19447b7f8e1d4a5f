// What may be claimed from runs: quantiles of what one run saw, and means over seeds with their 95% confidence
// interval.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace presmesh::sim {

/// A mean over independent replications and the half width of its 95% confidence interval (Student's t).
struct Estimate {
    double mean = 0;
    double half_width = 0;  ///< 0 when there is only one replication: then no interval may be claimed
    std::size_t replications = 0;
};
Estimate estimate(const std::vector<double>& replications);

/// The two-sided 95% quantile of Student's t with so many degrees of freedom (at least 1).
double student_t_95(std::size_t degrees_of_freedom);

/// Values of one measure in one run: exact up to `exact_values`, then a log-linear histogram (relative error under 1%),
/// so that memory stays bounded however long the run is. Values are not negative.
class Quantiles {
  public:
    static constexpr std::size_t exact_values = 65'536;

    void add(double value);
    std::uint64_t count() const { return count_; }
    double mean() const { return count_ ? sum_ / static_cast<double>(count_) : 0; }
    double max() const { return max_; }
    /// `share` in [0, 1]; 0 when there are no values.
    double at(double share) const;
    void merge(const Quantiles& other);

  private:
    void spill();
    static std::size_t bucket(double value);
    static double middle(std::size_t bucket);
    void add_to_bucket(double value, std::uint64_t times);

    mutable std::vector<double> exact_;
    mutable bool sorted_ = true;
    std::vector<std::uint64_t> buckets_;
    std::uint64_t count_ = 0;
    double sum_ = 0;
    double max_ = 0;
};

}  // namespace presmesh::sim
