// main of both executables: parse, run one command, turn what is thrown into an exit code (0 fine, 1 failed, 2 usage, 130 stopped).
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <new>

#include "app/command.h"
#include "app/summaries.h"
#include "app/terminal.h"
#include "base/error.h"
#include "base/progress.h"

namespace foil::app {

static const char* kIntro =
    "foil makes plausible wrong answers, checks them, and trains reasoning models on them.\n"
    "Start with:  foil run recipes/demo.yaml      Each command explains itself: foil COMMAND --help\n";

// Clears the progress bar before a log line, so that the two do not run into each other.
class LogSink : public spdlog::sinks::stderr_color_sink_mt {
 public:
  explicit LogSink(TerminalProgress& progress) : progress_(progress) {}
  void log(const spdlog::details::log_msg& message) override {
    progress_.clear_line();
    spdlog::sinks::stderr_color_sink_mt::log(message);
  }

 private:
  TerminalProgress& progress_;
};

static void on_signal(int) {
  if (interrupt_requested()) _exit(130);  // a second Ctrl-C: at once
  request_interrupt();
  static const char text[] = "\nstopping after the current step (again to stop at once) …\n";
  if (write(STDERR_FILENO, text, sizeof text - 1) < 0) _exit(130);
}

static std::string help_text() {
  std::string out = std::string(kIntro) + "\nusage: foil COMMAND [OPTIONS]\n";
  std::string group;
  for (const auto& s : summaries()) {
    if (group != s.group) out += fmt::format("\n{}\n", group = s.group);
    out += fmt::format("  {:<11} {}\n", s.name, s.summary);
  }
  out += "\nOptions\n  --help      this text\n  --version   version\n";
  return out;
}

#ifndef FOIL_ENGINE
[[noreturn]] static void hand_over(char** argv) {
  const auto engine = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "foil-engine";
  // Threads that spin at the end of each parallel loop gain nothing measurable on an idle machine, and on a busy one cost ten times the run.
  setenv("OMP_WAIT_POLICY", "passive", 0);
  execv(engine.c_str(), argv);
  throw Error("this command needs the LibTorch half of foil, which is not here", engine.string(),
              "build it: make build (this foil was built with FOIL_TORCH=OFF)");
}
#endif

// The flag that comes nearest to the first one the command does not know.
static std::string nearest_flag(const CLI::App& app, int argc, char** argv) {
  for (const auto* command : app.get_subcommands()) {
    std::vector<std::string> flags;
    for (const auto* option : command->get_options())
      for (const auto& name : option->get_lnames()) flags.push_back("--" + name);
    for (int i = 2; i < argc; ++i) {
      std::string given = argv[i];
      given = given.substr(0, given.find('='));
      if (given.starts_with("--") && std::find(flags.begin(), flags.end(), given) == flags.end()) return nearest(given, flags);
    }
  }
  return "";
}

static int run(int argc, char** argv) {
  const std::string first = argc > 1 ? argv[1] : "--help";
  if (first == "--help" || first == "-h" || first == "help") {
    std::fputs(help_text().c_str(), stdout);
    return argc > 1 ? 0 : 2;
  }
  if (first == "--version") {
    std::printf("foil %s\n", FOIL_VERSION);
    return 0;
  }
  const Summary* summary = nullptr;
  std::vector<std::string> names;
  for (const auto& s : summaries()) {
    names.emplace_back(s.name);
    if (first == s.name) summary = &s;
  }
  if (!summary) {
    const std::string near = nearest(first, names);
    throw UsageError(fmt::format("there is no command '{}'", first), "",
                     near.empty() ? "foil --help lists the commands" : fmt::format("did you mean 'foil {}'?", near));
  }
#ifndef FOIL_ENGINE
  if (summary->engine) hand_over(argv);
#endif

  CLI::App app(kIntro, "foil");
  app.require_subcommand(1);
  app.set_help_all_flag("--help-all", "");
  app.get_option("--help-all")->group("");
  for (const auto& command : commands()) {
    auto* sub = app.add_subcommand(command.name, command.summary);
    sub->option_defaults()->always_capture_default();
    command.declare(*sub);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& e) {
    return app.exit(e);
  } catch (const CLI::CallForAllHelp& e) {
    return app.exit(e);
  } catch (const CLI::Success&) {
    return 0;
  } catch (const CLI::ExtrasError& e) {
    const std::string near = nearest_flag(app, argc, argv);
    throw UsageError(e.what(), fmt::format("foil {}", first), near.empty() ? fmt::format("foil {} --help", first) : "did you mean " + near + "?");
  } catch (const CLI::ParseError& e) {
    throw UsageError(e.what(), fmt::format("foil {}", first), fmt::format("foil {} --help", first));
  }
  return 0;
}

}  // namespace foil::app

int main(int argc, char** argv) {
  using namespace foil;
  app::TerminalProgress progress;
  set_progress_sink(&progress);
  auto logger = std::make_shared<spdlog::logger>("foil", std::make_shared<app::LogSink>(progress));
  logger->set_pattern("%^%l:%$ %v");
  if (const char* level = std::getenv("FOIL_LOG")) logger->set_level(spdlog::level::from_str(level));
  spdlog::set_default_logger(logger);
  std::signal(SIGINT, app::on_signal);
  std::signal(SIGTERM, app::on_signal);
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return app::run(argc, argv);
  } catch (const UsageError& e) {
    progress.clear_line();
    app::print_error(e);
    return 2;
  } catch (const Interrupted& e) {
    progress.clear_line();
    std::fprintf(stderr, "stopped: %s\n", e.hint().c_str());
    return 130;
  } catch (const Error& e) {
    progress.clear_line();
    app::print_error(e);
    return 1;
  } catch (const std::bad_alloc&) {
    progress.clear_line();
    app::print_error(Error("out of memory", "", "lower the batch or KV-cache sizes; foil run RECIPE --dry-run estimates them"));
    return 1;
  } catch (const std::exception& e) {
    progress.clear_line();
    app::print_error(Error(e.what()));
    return 1;
  }
}
