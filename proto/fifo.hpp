// First in, first out, in one block of memory that is there only while something waits: most queues of most channels
// are empty most of the time, and a std::deque keeps 600 bytes for that.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace presmesh::proto {

template <typename T>
class Fifo {
  public:
    bool empty() const { return taken_ == items_.size(); }
    std::size_t size() const { return items_.size() - taken_; }
    template <typename... Arguments>
    T& emplace_back(Arguments&&... arguments) {
        return items_.emplace_back(std::forward<Arguments>(arguments)...);
    }
    void push_back(T item) { items_.push_back(std::move(item)); }
    /// front and pop_front: must not be empty.
    T& front() { return items_[taken_]; }
    const T& front() const { return items_[taken_]; }
    void pop_front() {
        ++taken_;
        if (empty())
            clear();
        else if (taken_ >= few && 2 * taken_ >= items_.size())
            drop_taken();
    }
    void clear() {
        if (items_.capacity() <= few)
            items_.clear();
        else
            std::vector<T>().swap(items_);
        taken_ = 0;
    }
    template <typename Is>
    void erase_if(const Is& is) {
        drop_taken();
        std::erase_if(items_, is);
        if (items_.empty()) clear();
    }
    // Those that wait, the first first.
    auto begin() const { return items_.begin() + static_cast<std::ptrdiff_t>(taken_); }
    auto end() const { return items_.end(); }

  private:
    static constexpr std::size_t few = 2;  ///< the room for so many is kept

    void drop_taken() {
        items_.erase(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(taken_));
        taken_ = 0;
    }

    std::vector<T> items_;
    std::size_t taken_ = 0;
};

}  // namespace presmesh::proto
