// How the core is seen from outside: steps of the path for the log, counters for /metrics. node/daemon writes them to
// spdlog and Prometheus; the stand-in remembers them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "overlay/trace.hpp"
#include "proto/time.hpp"
#include "proto/uri.hpp"

namespace presmesh::node {

/// The overlay tells its steps of the path through the same door as everybody else.
class Diagnostics : public overlay::Trace {
  public:
    /// Adds to a counter; `label` may be empty.
    virtual void count(std::string_view name, std::string_view label, std::uint64_t by) = 0;
    /// False spares the core the making of `detail` texts.
    bool wants_steps() const override { return true; }
};

/// Sees nothing; for the simulator.
class NoDiagnostics final : public Diagnostics {
  public:
    void step(proto::Now, std::string_view, const proto::PresentityUri&, std::string_view) override {}
    void count(std::string_view, std::string_view, std::uint64_t) override {}
    bool wants_steps() const override { return false; }
};

/// The stand-in for tests.
class RecordingDiagnostics final : public Diagnostics {
  public:
    struct Step {
        proto::Now now;
        std::string step;
        proto::PresentityUri presentity;
        std::string detail;
    };
    void step(proto::Now now, std::string_view step, const proto::PresentityUri& presentity,
              std::string_view detail) override {
        steps.push_back({now, std::string(step), presentity, std::string(detail)});
        ++calls;
    }
    void count(std::string_view name, std::string_view label, std::uint64_t by) override {
        counters[{std::string(name), std::string(label)}] += by;
        ++calls;
    }

    std::vector<Step> steps;
    std::map<std::pair<std::string, std::string>, std::uint64_t> counters;
    std::uint64_t calls = 0;
};

}  // namespace presmesh::node
