#include "tests/bench/size_heap.hpp"

#include <malloc.h>
#include <sys/mman.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <new>
#include <sstream>
#include <string>

namespace {

constexpr std::size_t region_bytes = std::size_t{64} << 30;
constexpr std::size_t header_bytes = 16;
constexpr std::size_t small_most = 4096;  // by classes of 16 bytes; larger ones by powers of two
constexpr std::size_t malloc_header = 8;

struct Free {
    Free* next;
};
bool for_others = false;
std::int64_t live = 0;
char* region = nullptr;
char* region_end = nullptr;
std::array<Free*, small_most / 16 + 64> free_lists{};

std::size_t class_of(std::size_t size) {
    if (size <= small_most) return (size + 15) / 16;
    std::size_t shift = 13;
    while ((std::size_t{1} << shift) < size) ++shift;
    return small_most / 16 + shift;
}
std::size_t size_of(std::size_t klass) {
    return klass <= small_most / 16 ? klass * 16 : std::size_t{1} << (klass - small_most / 16);
}

void* take_from_region(std::size_t size) {
    if (region == nullptr) {
        void* got =
            mmap(nullptr, region_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (got == MAP_FAILED) std::abort();
        region = region_end = static_cast<char*>(got);
    }
    const auto klass = class_of(std::max<std::size_t>(size, 1));
    if (auto*& list = free_lists[klass]; list != nullptr) {
        auto* block = list;
        list = block->next;
        return block;
    }
    auto* block = region_end + header_bytes;
    region_end += header_bytes + size_of(klass);
    if (region_end > region + region_bytes) std::abort();
    std::memcpy(block - header_bytes, &klass, sizeof klass);
    return block;
}

bool in_region(void* pointer) {
    return pointer >= region && pointer < region_end;
}

void give_back(void* pointer) {
    std::size_t klass = 0;
    std::memcpy(&klass, static_cast<char*>(pointer) - header_bytes, sizeof klass);
    auto* block = static_cast<Free*>(pointer);
    block->next = free_lists[klass];
    free_lists[klass] = block;
}

std::int64_t taken_by(void* pointer) {
    return static_cast<std::int64_t>(malloc_usable_size(pointer) + malloc_header);
}

std::int64_t kib_after(const std::string& text, std::size_t at) {
    return std::strtoll(text.c_str() + text.find_first_of("0123456789", at), nullptr, 10);
}

}  // namespace

void* operator new(std::size_t size) {
    if (for_others) return take_from_region(size);
    void* got = std::malloc(size);
    if (got == nullptr) std::abort();
    live += taken_by(got);
    return got;
}
void operator delete(void* pointer) noexcept {
    if (pointer == nullptr) return;
    if (in_region(pointer)) return give_back(pointer);
    live -= taken_by(pointer);
    std::free(pointer);
}
void operator delete(void* pointer, std::size_t) noexcept {
    operator delete(pointer);
}

namespace presmesh::bench {

OthersMemory::OthersMemory() : before_(for_others) {
    for_others = true;
}
OthersMemory::~OthersMemory() {
    for_others = before_;
}

std::int64_t live_bytes() {
    return live;
}

std::int64_t resident_bytes() {
    const OthersMemory scope;
    malloc_trim(0);
    std::ifstream smaps("/proc/self/smaps");
    std::string line;
    std::int64_t all = 0;
    bool ours = true;
    while (std::getline(smaps, line)) {
        if (line.find('-') != std::string::npos && line.find('-') < 17 && line.find(" r") != std::string::npos) {
            const auto begin = std::strtoull(line.c_str(), nullptr, 16);
            ours = begin < reinterpret_cast<std::uintptr_t>(region) ||
                   begin >= reinterpret_cast<std::uintptr_t>(region) + region_bytes;
        } else if (ours && line.rfind("Rss:", 0) == 0) {
            all += 1024 * kib_after(line, 4);
        }
    }
    return all;
}

}  // namespace presmesh::bench
