#include "sim/mpi.hpp"

#ifdef PRESMESH_MPI
#include <mpi.h>
#endif

#include <cstdlib>

namespace presmesh::sim {

#ifdef PRESMESH_MPI

namespace {
/// Started by mpirun or srun? Otherwise MPI is not begun at all: it costs a second and wants a network.
bool under_mpi() {
    return std::getenv("OMPI_COMM_WORLD_SIZE") != nullptr || std::getenv("PMI_SIZE") != nullptr ||
           std::getenv("PMIX_RANK") != nullptr;
}
}  // namespace

Ranks::Ranks() {
    if (!under_mpi()) return;
    MPI_Init(nullptr, nullptr);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &count_);
}
Ranks::~Ranks() {
    if (under_mpi()) MPI_Finalize();
}
void Ranks::meet() const {
    if (under_mpi()) MPI_Barrier(MPI_COMM_WORLD);
}

#else

Ranks::Ranks() = default;
Ranks::~Ranks() = default;
void Ranks::meet() const {}

#endif

}  // namespace presmesh::sim
