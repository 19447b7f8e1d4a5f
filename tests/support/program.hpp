// Runs a program as a user would, and says what it wrote and how it ended.
#pragma once

#include <fcntl.h>
#include <sys/personality.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

namespace presmesh::tests {

struct Outcome {
    int status = -1;  ///< of exit; -1 when a signal ended it
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

inline Outcome run_program(const std::vector<std::string>& command, const Surroundings& surroundings = {}) {
    Outcome outcome;
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return outcome;
    const pid_t child = ::fork();
    if (child == 0) become(command, surroundings, ends[1]);
    ::close(ends[1]);
    char buffer[4096];
    for (ssize_t n; (n = ::read(ends[0], buffer, sizeof(buffer))) > 0;)
        outcome.out.append(buffer, static_cast<std::size_t>(n));
    ::close(ends[0]);
    int status = 0;
    if (child > 0 && ::waitpid(child, &status, 0) == child && WIFEXITED(status)) outcome.status = WEXITSTATUS(status);
    return outcome;
}

}  // namespace presmesh::tests
