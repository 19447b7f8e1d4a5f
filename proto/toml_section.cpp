#include "proto/toml_section.hpp"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <sstream>

namespace presmesh::proto {

namespace {

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t above = row[j];
            const std::size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = std::min({above + 1, row[j - 1] + 1, change});
            diagonal = above;
        }
    }
    return row.back();
}

int line_of_node(const toml::node& node) {
    return static_cast<int>(node.source().begin.line);
}

std::string_view type_name(const toml::node& node) {
    if (node.is_string()) return "a text";
    if (node.is_integer() || node.is_floating_point()) return "a number";
    if (node.is_boolean()) return "true or false";
    if (node.is_table()) return "a table";
    if (node.is_array()) return "an array";
    return "a date or time";
}

std::string wrong_type(std::string_view key, std::string_view wanted, const toml::node& node) {
    return std::string(key) + " must be " + std::string(wanted) + ", and is " + std::string(type_name(node));
}

std::string duration_text(Duration d) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(d).count();
    if (ms % 1000 != 0) return std::to_string(ms) + "ms";
    const auto s = ms / 1000;
    if (s % 3600 == 0 && s != 0) return std::to_string(s / 3600) + "h";
    if (s % 60 == 0 && s != 0) return std::to_string(s / 60) + "m";
    return std::to_string(s) + "s";
}

}  // namespace

std::string nearest_name(std::string_view word, const std::set<std::string, std::less<>>& names) {
    std::string best;
    std::size_t best_distance = std::max<std::size_t>(2, word.size() / 3) + 1;
    for (const auto& name : names) {
        const auto distance = edit_distance(word, name);
        if (distance < best_distance && distance < name.size()) {
            best = name;
            best_distance = distance;
        }
    }
    return best;
}

std::optional<Duration> parse_duration(std::string_view text) {
    std::int64_t count = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (error != std::errc{} || count < 0 || count > 1'000'000'000) return std::nullopt;
    const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    if (unit == "ms") return std::chrono::milliseconds(count);
    if (unit == "s") return std::chrono::seconds(count);
    if (unit == "m") return std::chrono::minutes(count);
    if (unit == "h") return std::chrono::hours(count);
    if (unit == "d") return std::chrono::hours(24 * count);
    return std::nullopt;
}

TomlSection::TomlSection(const toml::table* table, std::string name, int line, Faults& faults)
    : table_(table), name_(std::move(name)), line_(line), faults_(&faults) {}

bool TomlSection::has(std::string_view key) const {
    return table_ != nullptr && table_->contains(key);
}

int TomlSection::line_of(std::string_view key) const {
    const auto* node = table_ != nullptr ? table_->get(key) : nullptr;
    return node != nullptr ? line_of_node(*node) : line_;
}

void TomlSection::fault(std::string_view key, std::string text) {
    faults_->push_back({line_of(key), name_ + " " + std::move(text)});
}

const toml::node* TomlSection::take(std::string_view key) {
    known_.emplace(key);
    return table_ != nullptr ? table_->get(key) : nullptr;
}

std::optional<std::string> TomlSection::text(std::string_view key, std::string_view such_as) {
    const auto* node = take(key);
    if (node == nullptr) return std::nullopt;
    if (const auto* value = node->as_string()) return value->get();
    fault(key, wrong_type(key, such_as.empty() ? "a text" : "a text such as " + std::string(such_as), *node));
    return std::nullopt;
}

std::string TomlSection::text_or(std::string_view key, std::string_view fallback) {
    auto value = text(key);
    return value ? std::move(*value) : std::string(fallback);
}

std::string TomlSection::required_text(std::string_view key) {
    const bool present = has(key);
    auto value = text(key);
    if (!present) fault(key, "needs " + std::string(key));
    if (value && value->empty()) fault(key, std::string(key) + " must not be empty");
    return value.value_or("");
}

bool TomlSection::flag(std::string_view key, bool fallback) {
    const auto* node = take(key);
    if (node == nullptr) return fallback;
    if (const auto* value = node->as_boolean()) return value->get();
    fault(key, wrong_type(key, "true or false", *node));
    return fallback;
}

std::int64_t TomlSection::number(std::string_view key, std::int64_t least, std::int64_t most, std::int64_t fallback) {
    const auto* node = take(key);
    if (node == nullptr) return fallback;
    const auto* value = node->as_integer();
    if (value == nullptr) {
        fault(key, wrong_type(key, "a whole number", *node));
        return fallback;
    }
    if (value->get() < least || value->get() > most) {
        fault(key, std::string(key) + " must lie between " + std::to_string(least) + " and " + std::to_string(most) +
                       ", and is " + std::to_string(value->get()));
        return fallback;
    }
    return value->get();
}

double TomlSection::real(std::string_view key, double least, double most, double fallback) {
    const auto* node = take(key);
    if (node == nullptr) return fallback;
    const auto value = node->value<double>();
    if (!node->is_number() || !value) {
        fault(key, wrong_type(key, "a number", *node));
        return fallback;
    }
    if (*value >= least && *value <= most) return *value;
    std::ostringstream text;  // to_string() would write 0.000000
    text << key << " must lie between " << least << " and " << most << ", and is " << *value;
    fault(key, text.str());
    return fallback;
}

Duration TomlSection::duration(std::string_view key, Duration least, Duration most, Duration fallback) {
    const auto value = text(key);
    if (!value) return fallback;
    const auto parsed = parse_duration(*value);
    if (!parsed) {
        fault(key, std::string(key) + " must be a time such as \"500ms\", \"30s\", \"5m\", \"1h\" or \"2d\"");
        return fallback;
    }
    if (*parsed < least || *parsed > most) {
        fault(key, std::string(key) + " must lie between " + duration_text(least) + " and " + duration_text(most) +
                       ", and is " + duration_text(*parsed));
        return fallback;
    }
    return *parsed;
}

std::size_t TomlSection::choice(std::string_view key, std::initializer_list<std::string_view> words,
                                std::size_t fallback) {
    const auto value = text(key);
    if (!value) return fallback;
    const auto found = std::find(words.begin(), words.end(), *value);
    if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
    std::string list;
    std::set<std::string, std::less<>> names;
    for (const auto word : words) {
        list += (list.empty() ? "" : ", ") + ("\"" + std::string(word) + "\"");
        names.emplace(word);
    }
    const auto nearest = nearest_name(*value, names);
    fault(key, std::string(key) + " must be one of " + list + ", and is \"" + *value + "\"" +
                   (nearest.empty() ? "" : "; is \"" + nearest + "\" meant?"));
    return fallback;
}

std::vector<std::string> TomlSection::texts(std::string_view key) {
    const auto* node = take(key);
    std::vector<std::string> values;
    if (node == nullptr) return values;
    if (const auto* value = node->as_string()) return {value->get()};
    const auto* array = node->as_array();
    if (array == nullptr) {
        fault(key, wrong_type(key, "a text or an array of texts", *node));
        return values;
    }
    for (const auto& element : *array) {
        if (const auto* value = element.as_string()) {
            values.push_back(value->get());
        } else {
            faults_->push_back(
                {line_of_node(element), name_ + " " + wrong_type("each of " + std::string(key), "a text", element)});
        }
    }
    return values;
}

std::vector<TomlSection> TomlSection::tables(std::string_view key) {
    const auto* node = take(key);
    std::vector<TomlSection> sections;
    if (node == nullptr) return sections;
    const auto* array = node->as_array();
    if (array == nullptr) {
        fault(key, wrong_type(key, "an array of tables", *node));
        return sections;
    }
    for (const auto& element : *array) {
        const int line = line_of_node(element);
        if (const auto* table = element.as_table()) {
            sections.emplace_back(
                table, name_.empty() ? "[[" + std::string(key) + "]]" : name_ + " " + std::string(key), line, *faults_);
        } else {
            faults_->push_back({line, name_ + " " + wrong_type("each of " + std::string(key), "a table", element)});
        }
    }
    return sections;
}

TomlSection TomlSection::section(std::string_view key) {
    const auto* node = take(key);
    const std::string name = (name_.empty() ? "[" : name_.substr(0, name_.size() - 1) + ".") + std::string(key) + "]";
    if (node != nullptr && !node->is_table()) fault(key, wrong_type(key, "a table", *node));
    const auto* table = node != nullptr ? node->as_table() : nullptr;
    return {table, name, table != nullptr ? line_of_node(*table) : line_, *faults_};
}

void TomlSection::finish() {
    if (table_ == nullptr) return;
    for (const auto& [key, node] : *table_) {
        if (known_.contains(key.str())) continue;
        const auto nearest = nearest_name(key.str(), known_);
        faults_->push_back(
            {static_cast<int>(key.source().begin.line), name_ + " does not know " + std::string(key.str()) +
                                                            (nearest.empty() ? "" : "; is " + nearest + " meant?")});
    }
}

}  // namespace presmesh::proto
