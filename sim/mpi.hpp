// The ranks of a sweep under mpirun; one rank where MPI is not built in. Only sweep makes one.
#pragma once

namespace presmesh::sim {

class Ranks {
  public:
    Ranks();
    ~Ranks();
    Ranks(const Ranks&) = delete;
    Ranks& operator=(const Ranks&) = delete;
    int rank() const { return rank_; }
    int count() const { return count_; }
    /// Returns when all ranks are here.
    void meet() const;

  private:
    int rank_ = 0;
    int count_ = 1;
};

}  // namespace presmesh::sim
