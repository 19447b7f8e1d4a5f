// Runs as processes: so that each has a heap and an OpenDHT of its own, and all cores are used.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <map>

#include "sim/sweep.hpp"

namespace presmesh::sim {

namespace {

/// -1 when no process could be made. Its words go to FOLDER/log.
pid_t start(const std::filesystem::path& program, const Job& job) {
    const std::string path = program.string(), folder = job.folder.string(), log = (job.folder / "log").string();
    const std::string seed = std::to_string(job.seed);
    const char* arguments[] = {"presmesh-sim", "job", folder.c_str(), seed.c_str(), nullptr};
    const pid_t parent = ::getpid(), child = ::fork();
    if (child != 0) return child;
    // Whoever stops the sweep stops its runs: one that went on would be in the way of the sweep's next start.
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() != parent) ::_exit(127);
    const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (out >= 0) {
        ::dup2(out, STDOUT_FILENO);
        ::dup2(out, STDERR_FILENO);
    }
    ::execv(path.c_str(), const_cast<char* const*>(arguments));
    ::_exit(127);
}

std::string last_line(const std::filesystem::path& log) {
    std::ifstream in(log);
    std::string line, last;
    while (std::getline(in, line))
        if (!line.empty()) last = line;
    return last;
}

JobOutcome outcome_of(std::size_t index, const Job& job, int status) {
    JobOutcome outcome;
    outcome.job = index;
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    outcome.finished = (code == 0 || code == 1) && read_report(job).has_value();
    outcome.ok = outcome.finished && code == 0;
    if (outcome.finished) return outcome;
    outcome.failure = WIFSIGNALED(status) ? "ended by signal " + std::to_string(WTERMSIG(status))
                                          : "ended with status " + std::to_string(code);
    if (const auto line = last_line(job.folder / "log"); !line.empty()) outcome.failure += ": " + line;
    return outcome;
}

JobOutcome kept(std::size_t index, const Job& job) {
    JobOutcome outcome{index, true, false, true, "", ""};
    if (const auto report = read_report(job)) {
        outcome.ok = report->at("ok").get<bool>();
        outcome.commit = report->at("commit").get<std::string>();
    }
    return outcome;
}

}  // namespace

std::vector<JobOutcome> run_jobs(const std::vector<Job>& jobs, unsigned at_once,
                                 const std::function<void(const JobOutcome&)>& tell,
                                 const std::filesystem::path& program) {
    std::vector<JobOutcome> outcomes(jobs.size());
    std::map<pid_t, std::size_t> running;
    const auto settle = [&](JobOutcome outcome) {
        outcomes[outcome.job] = outcome;
        tell(outcome);
    };
    const auto wait_for_one = [&] {
        int status = 0;
        const pid_t ended = ::waitpid(-1, &status, 0);
        const auto job = running.find(ended);
        if (job == running.end()) return;
        settle(outcome_of(job->second, jobs[job->second], status));
        running.erase(job);
    };
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        const auto needed = prepare(jobs[i]);
        if (!needed) {
            settle({i, false, false, false, "", needed.error().detail});
            continue;
        }
        if (!*needed) {
            settle(kept(i, jobs[i]));
            continue;
        }
        while (running.size() >= std::max(1u, at_once)) wait_for_one();
        const pid_t child = start(program, jobs[i]);
        if (child < 0)
            settle({i, false, false, false, "", "no process could be made"});
        else
            running.emplace(child, i);
    }
    while (!running.empty()) wait_for_one();
    return outcomes;
}

}  // namespace presmesh::sim
