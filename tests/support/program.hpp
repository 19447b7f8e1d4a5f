// Runs a program as a user would, and says what it wrote and how it ended.
#pragma once

#include <fcntl.h>
#include <sys/personality.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace presmesh::testing {

struct Outcome {
    int status = -1;  ///< of exit; -1 when a signal ended it
    int signal = 0;
    std::string out;  ///< both streams
    /// What follows `name` and a blank on the first line that begins with both, leading blanks aside.
    std::string line(const std::string& name) const {
        for (std::size_t at = 0; at < out.size();) {
            const auto end = std::min(out.find('\n', at), out.size());
            const auto begin = std::min(out.find_first_not_of(' ', at), end);
            if (out.compare(begin, name.size() + 1, name + " ") == 0) {
                const auto value = out.find_first_not_of(' ', begin + name.size());
                return out.substr(value, end - value);
            }
            at = end + 1;
        }
        return {};
    }
    bool has(const std::string& text) const { return out.find(text) != std::string::npos; }
};

struct Surroundings {
    std::vector<std::string> environment;  ///< NAME=value, in addition
    std::filesystem::path folder;          ///< to start in; empty: this one
    bool fixed_addresses = false;          ///< no address randomisation
};

inline void become(const std::vector<std::string>& command, const Surroundings& surroundings, int out) {
    ::dup2(out, STDOUT_FILENO);
    ::dup2(out, STDERR_FILENO);
    if (!surroundings.folder.empty() && ::chdir(surroundings.folder.c_str()) != 0) ::_exit(126);
    if (surroundings.fixed_addresses) ::personality(ADDR_NO_RANDOMIZE);
    for (const auto& variable : surroundings.environment) ::putenv(const_cast<char*>(variable.c_str()));
    std::vector<char*> arguments;
    for (const auto& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
}

/// A program that runs; what it writes is read as asked for.
class Running {
  public:
    explicit Running(const std::vector<std::string>& command, const Surroundings& surroundings = {}) {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) return;
        pid_ = ::fork();
        if (pid_ == 0) become(command, surroundings, ends[1]);
        ::close(ends[1]);
        out_ = ends[0];
    }
    ~Running() { end(); }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;

    pid_t pid() const { return pid_; }
    /// Waits until it has written `text`; false: it ended without.
    bool reads(const std::string& text) {
        while (read_.find(text) == std::string::npos)
            if (!read_more()) return false;
        return true;
    }
    /// Waits until it has ended.
    Outcome end() {
        if (out_ < 0) return {};
        while (read_more()) {
        }
        ::close(std::exchange(out_, -1));
        Outcome outcome;
        outcome.out = read_;
        int status = 0;
        if (pid_ > 0 && ::waitpid(pid_, &status, 0) == pid_) {
            if (WIFEXITED(status)) outcome.status = WEXITSTATUS(status);
            if (WIFSIGNALED(status)) outcome.signal = WTERMSIG(status);
        }
        return outcome;
    }

  private:
    bool read_more() {
        char buffer[4096];
        const ssize_t n = ::read(out_, buffer, sizeof(buffer));
        if (n > 0) read_.append(buffer, static_cast<std::size_t>(n));
        return n > 0;
    }
    pid_t pid_ = -1;
    int out_ = -1;
    std::string read_;
};

inline Outcome run_program(const std::vector<std::string>& command, const Surroundings& surroundings = {}) {
    return Running(command, surroundings).end();
}

}  // namespace presmesh::testing
