// Which counts (RFC 2617's nc) each nonce was used with, so that what proved one request proves no other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

namespace presmesh::translators::sip {

class NonceCounts {
  public:
    /// Of at most `most` nonces; beyond, the oldest are forgotten, and good for nothing any more.
    explicit NonceCounts(std::size_t most) : most_(most) {}

    /// Whether the nonce was not used with `count` before, which is so from now on. Serials rise in the order in which
    /// nonces were made, and no two nonces have one. False too when it cannot be told: the nonce was forgotten, or
    /// `count` lies far below the highest.
    bool use(std::uint64_t serial, std::int64_t made, std::uint32_t count);
    /// Forgets the nonces made before then.
    void forget_before(std::int64_t made);
    std::size_t size() const { return counts_.size(); }

  private:
    struct Counts {
        std::int64_t made = 0;
        std::uint32_t highest = 0;
        std::uint64_t used = 0;  ///< bit n: `highest` - n was
    };
    void forget_oldest();

    std::size_t most_;
    std::uint64_t forgotten_ = 0;             ///< serials up to here are
    std::map<std::uint64_t, Counts> counts_;  ///< by serial; each above forgotten_
};

}  // namespace presmesh::translators::sip
