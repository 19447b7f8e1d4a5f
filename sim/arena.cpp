#include "sim/arena.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdlib>
#include <new>
#include <utility>

#include "sim/sanitized.hpp"

#define PRESMESH_SIM_ARENA !PRESMESH_SANITIZED

namespace {

thread_local bool inside = false;

}  // namespace

#if PRESMESH_SIM_ARENA

namespace {

constexpr std::size_t chunk_bytes = 64 * 1024;
constexpr std::size_t region_bytes = std::size_t{256} << 30;  // of addresses; memory is only what was touched
constexpr std::size_t chunks_in_region = region_bytes / chunk_bytes;
constexpr std::size_t fine_step = 16;
constexpr std::size_t fine_most = 512;  // sizes up to here: multiples of 16
constexpr std::size_t small_most =
    16384;                            // then eight sizes per doubling, many blocks to a chunk; beyond: whole chunks
constexpr std::size_t classes = 248;  // up to 64 GiB
constexpr std::size_t give_back = std::size_t{1} << 20;  // freed blocks this large return their memory to the system
void* const wanted_base = reinterpret_cast<void*>(0x100000000000);

struct Free {
    Free* next;
};
struct Class {
    Free* freed = nullptr;
    std::byte* next = nullptr;
    std::byte* end = nullptr;
};

constexpr std::uint8_t block_class = 255;  // of chunks that hold blocks, in place of a size
constexpr std::size_t blocks_per_chunk = 5;
constexpr std::size_t block_bytes = chunk_bytes / blocks_per_chunk / fine_step * fine_step;  // a whole node's objects
constexpr std::size_t in_block_least = 128;             // smaller ones are mostly entries of tables, which come and go
constexpr std::size_t in_block_most = block_bytes / 2;  // larger ones lie by themselves

/// At the start of each block.
struct BlockHead {
    BlockHead* next_free;
    std::uint32_t live;  // of what was handed out of it
    bool let_go;         // its owner is gone
};
struct Room {
    std::byte* next = nullptr;
    std::byte* end = nullptr;
    std::size_t left() const { return static_cast<std::size_t>(end - next); }
};

std::byte* base = nullptr;
Room open_block;   // what is allocated goes there, while it has room
Room block_chunk;  // blocks are cut off from
BlockHead* free_blocks = nullptr;
std::size_t next_chunk = 0;
std::size_t first_chunk = 0;  // of the scope that lives: older blocks are never used again
std::array<Class, classes> by_class;
std::array<std::uint8_t, chunks_in_region> class_of_chunk;

std::size_t geometric_class(std::size_t size) {  // size above fine_most
    const auto doubling =
        static_cast<std::size_t>(std::bit_width(size - 1)) - 1;  // 2^doubling < size <= 2^(doubling+1)
    const std::size_t eighth = std::size_t{1} << (doubling - 3);
    const std::size_t part = (size - (std::size_t{1} << doubling) + eighth - 1) / eighth;  // 1 to 8
    return fine_most / fine_step + (doubling - 9) * 8 + part - 1;
}
std::size_t class_of(std::size_t size) {
    if (size <= fine_most) return size == 0 ? 0 : (size - 1) / fine_step;
    return geometric_class(size);
}
std::size_t size_of(std::size_t number) {
    constexpr std::size_t fine = fine_most / fine_step;
    if (number < fine) return (number + 1) * fine_step;
    const std::size_t doubling = (number - fine) / 8 + 9;
    return (std::size_t{1} << doubling) + ((number - fine) % 8 + 1) * (std::size_t{1} << (doubling - 3));
}

std::byte* take_chunks(std::size_t count, std::size_t number) {
    if (next_chunk + count > chunks_in_region) return nullptr;
    class_of_chunk[next_chunk] = static_cast<std::uint8_t>(number);
    std::byte* out = base + next_chunk * chunk_bytes;
    next_chunk += count;
    return out;
}

void* take_new(Class& from, std::size_t number) {
    const std::size_t size = size_of(number);
    if (size > small_most) return take_chunks((size + chunk_bytes - 1) / chunk_bytes, number);
    if (from.next == nullptr || from.next + size > from.end) {
        from.next = take_chunks(1, number);
        if (from.next == nullptr) return nullptr;
        from.end = from.next + chunk_bytes;
    }
    void* out = from.next;
    from.next += size;
    return out;
}

BlockHead& head_of(const void* in_block) {
    const auto offset = static_cast<std::size_t>(static_cast<const std::byte*>(in_block) - base);
    const auto in_chunk = offset % chunk_bytes;
    return *reinterpret_cast<BlockHead*>(base + offset - in_chunk % block_bytes);
}
void reuse_if_over(BlockHead& head) {
    if (head.live > 0 || !head.let_go) return;
    head.next_free = std::exchange(free_blocks, &head);
}

void* take_from_block(std::size_t size) {
    size = (size + fine_step - 1) / fine_step * fine_step;
    if (size < in_block_least || size > in_block_most || size > open_block.left()) return nullptr;
    ++head_of(open_block.next).live;
    return std::exchange(open_block.next, open_block.next + size);
}

void* take(std::size_t size) {
    const std::size_t number = class_of(size);
    if (number >= classes) return nullptr;
    Class& from = by_class[number];
    if (from.freed == nullptr) return take_new(from, number);
    Free* out = from.freed;
    from.freed = out->next;
    return out;
}

bool ours(const void* block) {
    return base != nullptr && block >= base && block < base + region_bytes;
}

void give(void* block) {
    const auto chunk = static_cast<std::size_t>(static_cast<std::byte*>(block) - base) / chunk_bytes;
    if (chunk < first_chunk) return;
    const std::size_t number = class_of_chunk[chunk];
    if (number == block_class) {
        BlockHead& head = head_of(block);
        --head.live;
        return reuse_if_over(head);
    }
    const std::size_t size = size_of(number);
    if (size >= give_back) madvise(block, size / chunk_bytes * chunk_bytes, MADV_DONTNEED);
    Class& to = by_class[number];
    auto* freed = static_cast<Free*>(block);
    freed->next = to.freed;
    to.freed = freed;
}

void* allocate(std::size_t size, std::size_t alignment) {
    void* out = nullptr;
    if (inside && alignment <= fine_step && open_block.next != nullptr) out = take_from_block(size);
    // A power of two is a size of its own, and blocks of it lie at its multiples.
    if (inside && out == nullptr) out = take(alignment <= fine_step ? size : std::bit_ceil(std::max(size, alignment)));
    if (out == nullptr && alignment <= alignof(std::max_align_t)) out = std::malloc(std::max<std::size_t>(size, 1));
    if (out == nullptr) out = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
    if (out == nullptr) throw std::bad_alloc();
    return out;
}

void release(void* block) noexcept {
    ours(block) ? give(block) : std::free(block);
}

void open_region() {
    constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void* made = mmap(wanted_base, region_bytes, PROT_READ | PROT_WRITE, flags | MAP_FIXED_NOREPLACE, -1, 0);
    if (made == MAP_FAILED) made = mmap(nullptr, region_bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (made == MAP_FAILED) return;
    base = static_cast<std::byte*>(made);
    // A world touches a few lines here and there of gigabytes: with small pages it waits for their addresses as well.
    madvise(base, region_bytes, MADV_HUGEPAGE);
}

}  // namespace

void* operator new(std::size_t size) {
    return allocate(size, fine_step);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
    return allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* block) noexcept {
    release(block);
}
void operator delete(void* block, std::size_t) noexcept {
    release(block);
}
void operator delete(void* block, std::align_val_t) noexcept {
    release(block);
}
void operator delete(void* block, std::size_t, std::align_val_t) noexcept {
    release(block);
}

#endif

namespace presmesh::sim::arena {

Scope::Scope() {
#if PRESMESH_SIM_ARENA
    if (base == nullptr) open_region();
    first_chunk = next_chunk;
    by_class = {};
    open_block = block_chunk = {};
    free_blocks = nullptr;
    inside = base != nullptr;
#endif
}
Scope::~Scope() {
    inside = false;
}

Outside::Outside() : was_inside_(inside) {
    inside = false;
}
Outside::~Outside() {
    inside = was_inside_;
}

Block Block::take() {
    Block out;
#if PRESMESH_SIM_ARENA
    if (!inside) return out;
    std::byte* place = nullptr;
    if (free_blocks != nullptr) {
        place = reinterpret_cast<std::byte*>(std::exchange(free_blocks, free_blocks->next_free));
    } else {
        if (block_chunk.left() == 0) {
            block_chunk.next = take_chunks(1, block_class);
            block_chunk.end = block_chunk.next == nullptr ? nullptr : block_chunk.next + blocks_per_chunk * block_bytes;
        }
        if (block_chunk.next == nullptr) return out;
        place = std::exchange(block_chunk.next, block_chunk.next + block_bytes);
    }
    new (place) BlockHead{nullptr, 0, false};
    out.begin_ = place;
    out.end_ = place + sizeof(BlockHead);
#endif
    return out;
}

Block::Block(Block&& other) noexcept
    : begin_(std::exchange(other.begin_, nullptr)), end_(std::exchange(other.end_, nullptr)) {}
Block& Block::operator=(Block&& other) noexcept {
    std::swap(begin_, other.begin_);
    std::swap(end_, other.end_);
    return *this;
}

Block::~Block() {
#if PRESMESH_SIM_ARENA
    // Of an earlier Scope: its memory is never used again.
    if (begin_ == nullptr || static_cast<std::size_t>(begin_ - base) / chunk_bytes < first_chunk) return;
    BlockHead& head = head_of(begin_);
    head.let_go = true;
    reuse_if_over(head);
#endif
}

Together::Together(Block& block) : block_(block) {
#if PRESMESH_SIM_ARENA
    if (block.begin_ != nullptr) open_block = {block.end_, block.begin_ + block_bytes};
#endif
}
Together::~Together() {
#if PRESMESH_SIM_ARENA
    if (block_.begin_ != nullptr) block_.end_ = open_block.next;
    open_block = {};
#endif
}

std::uint64_t bytes_touched() {
#if PRESMESH_SIM_ARENA
    return next_chunk * chunk_bytes;
#else
    return 0;
#endif
}

}  // namespace presmesh::sim::arena
