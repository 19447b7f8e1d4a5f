// One table of a TOML file, read key by key: each key is checked where it is read, and finish() reports what nobody
// read. Faults are collected, never thrown, so that a file is judged whole. For files that read a
// configuration or a scenario; it brings the whole of toml++ with it.
#pragma once

#include <toml++/toml.h>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "proto/federation.hpp"
#include "proto/time.hpp"

namespace presmesh::proto {

class TomlSection {
  public:
    using Faults = std::vector<FileFault>;
    /// `table` may be null: then every key is absent. `name` is how faults call the section, e.g. "[http]".
    TomlSection(const toml::table* table, std::string name, int line, Faults& faults);

    bool has(std::string_view key) const;
    int line_of(std::string_view key) const;
    int line() const { return line_; }
    const std::string& name() const { return name_; }

    /// `such_as` is an example for who wrote something else, quoted as it would have to be written.
    std::optional<std::string> text(std::string_view key, std::string_view such_as = {});
    std::string text_or(std::string_view key, std::string_view fallback);
    /// A fault when absent or empty.
    std::string required_text(std::string_view key);
    bool flag(std::string_view key, bool fallback);
    std::int64_t number(std::string_view key, std::int64_t least, std::int64_t most, std::int64_t fallback);
    /// A whole number will do as well.
    double real(std::string_view key, double least, double most, double fallback);
    /// "500ms", "30s", "5m", "1h", "2d".
    Duration duration(std::string_view key, Duration least, Duration most, Duration fallback);
    /// The index of the word in `words`.
    std::size_t choice(std::string_view key, std::initializer_list<std::string_view> words, std::size_t fallback);
    /// A text or an array of texts.
    std::vector<std::string> texts(std::string_view key);
    /// A sub-table, an empty one when absent; the caller finishes it.
    TomlSection section(std::string_view key);
    /// Sub-tables of an array of tables, each a section of its own; the caller finishes them.
    std::vector<TomlSection> tables(std::string_view key);

    void fault(std::string_view key, std::string text);
    /// A key that may be there though nobody reads it this time: it counts as a nearest name.
    void expect(std::string_view key) { known_.emplace(key); }
    /// Reports keys that nobody asked for, with the nearest name that somebody did.
    void finish();

  private:
    const toml::node* take(std::string_view key);

    const toml::table* table_;
    std::string name_;
    int line_;
    Faults* faults_;
    std::set<std::string, std::less<>> known_;
};

/// The nearest of `names` when it is near enough to be meant (edit distance at most a third of the word), else empty.
std::string nearest_name(std::string_view word, const std::set<std::string, std::less<>>& names);
std::optional<Duration> parse_duration(std::string_view text);

}  // namespace presmesh::proto
