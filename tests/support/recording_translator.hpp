// A translator that speaks no protocol: remembers what it is told, and does what the test says.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "node/observer.hpp"
#include "translators/translator.hpp"

namespace presmesh::testing {

class RecordingTranslator final : public translators::Translator {
  public:
    struct Told {
        proto::Now now;
        translators::WatchId watch;
        translators::View view;
    };
    struct Wanted {
        proto::PresentityUri presentity;
        proto::PresentityUri watcher;
        bool wanted;
    };

    struct WatcherNews {
        proto::Now now;
        proto::PresentityUri presentity;
        std::vector<translators::WatcherChange> changes;
    };

    explicit RecordingTranslator(std::string name) : name_(std::move(name)) {}

    std::string_view name() const override { return name_; }
    void start(proto::Now, translators::Host& h) override { host = &h; }
    void stop(proto::Now) override { stopped = true; }
    void view_changed(proto::Now now, translators::WatchId watch, const translators::View& view) override {
        told.push_back({now, watch, view});
        if (on_view) on_view(now, watch, view);
    }
    bool attends(const proto::PresentityUri& presentity) const override {
        return !attended_domain.empty() && presentity.domain() == attended_domain;
    }
    void wanted(proto::Now now, const proto::PresentityUri& presentity, const proto::PresentityUri& watcher) override {
        wants.push_back({presentity, watcher, true});
        if (on_wanted) on_wanted(now, presentity, watcher);
    }
    void unwanted(proto::Now, const proto::PresentityUri& presentity, const proto::PresentityUri& watcher) override {
        wants.push_back({presentity, watcher, false});
    }
    void watchers_changed(proto::Now now, const proto::PresentityUri& presentity,
                          const std::vector<translators::WatcherChange>& changes) override {
        watcher_news.push_back({now, presentity, changes});
    }
    void handle_timeout(proto::Now) override {}
    proto::SteadyTime next_timeout() const override { return proto::never; }

    std::string attended_domain;
    std::function<void(proto::Now, translators::WatchId, const translators::View&)> on_view;
    std::function<void(proto::Now, const proto::PresentityUri&, const proto::PresentityUri&)> on_wanted;
    translators::Host* host = nullptr;
    std::vector<Told> told;
    std::vector<Wanted> wants;
    std::vector<WatcherNews> watcher_news;
    bool stopped = false;

  private:
    std::string name_;
};

class RecordingObserver final : public node::Observer {
  public:
    void view_changed(proto::Now now, translators::WatchId watch, const translators::View& view) override {
        told.push_back({now, watch, view});
    }
    std::vector<RecordingTranslator::Told> told;
};

}  // namespace presmesh::testing
