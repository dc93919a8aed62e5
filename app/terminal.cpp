#include "app/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace foil::app {

bool stderr_is_terminal() { return isatty(STDERR_FILENO); }
bool stdout_is_terminal() { return isatty(STDOUT_FILENO); }
bool colours() {
  static const bool on = stderr_is_terminal() && !std::getenv("NO_COLOR");
  return on;
}

std::string duration(double seconds) {
  const auto s = int64_t(std::max(0.0, std::round(seconds)));
  if (s >= 3600) return fmt::format("{} h {:02} min", s / 3600, s / 60 % 60);
  if (s >= 60) return fmt::format("{} min {:02} s", s / 60, s % 60);
  return fmt::format("{} s", s);
}

std::string count(double n) {
  if (n >= 1e9) return fmt::format("{:.1f} G", n / 1e9);
  if (n >= 1e6) return fmt::format("{:.1f} M", n / 1e6);
  if (n >= 1e4) return fmt::format("{:.0f} k", n / 1e3);
  if (n >= 100 || n == std::floor(n)) return fmt::format("{:.0f}", n);
  return fmt::format("{:.1f}", n);
}

TerminalProgress::TerminalProgress() : terminal_(stderr_is_terminal()) {}

void TerminalProgress::clear_line() {
  if (line_open_) std::fputs("\r\033[2K", stderr);
  line_open_ = false;
}

static int terminal_width() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 100;
}

// Bytes of UTF-8 text that fit into `columns` (every code point counted as one column).
static std::string clip(const std::string& text, int columns) {
  int used = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if ((text[i] & 0xC0) != 0x80 && used++ == columns) return text.substr(0, i);
  }
  return text;
}

void TerminalProgress::show(const ProgressState& state) {
  const double rate = state.elapsed_s > 0.2 ? double(state.done - state.resumed) / state.elapsed_s : 0;
  std::string text = state.label;
  if (state.total) {
    const double share = std::min(1.0, double(state.done) / double(state.total));
    if (terminal_) {
      const int cells = 24, filled = int(share * cells);
      std::string bar;
      for (int i = 0; i < cells; ++i) bar += i < filled ? "━" : "╌";
      text += " " + bar;
    }
    text += fmt::format(" {:3.0f} % {}/{} {}", share * 100, count(double(state.done)), count(double(state.total)), state.unit);
  } else {
    text += fmt::format(" {} {}", count(double(state.done)), state.unit);
  }
  if (rate >= 1) text += fmt::format(" · {}/s", count(rate));
  else if (rate > 0) text += fmt::format(" · {:.1f} s each", 1 / rate);
  if (state.finished)
    text += " · " + duration(state.elapsed_s);
  else if (rate > 0 && state.total > state.done)
    text += " · " + duration(double(state.total - state.done) / rate) + " left";
  if (!state.note.empty()) text += " · " + state.note;

  if (terminal_) {
    std::fprintf(stderr, "\r\033[2K%s", clip(text, terminal_width() - 1).c_str());
    line_open_ = true;
    if (state.finished) std::fputc('\n', stderr), line_open_ = false;
    std::fflush(stderr);
    return;
  }
  const bool new_label = state.label != last_label_;
  if (new_label) last_label_ = state.label, last_plain_s_ = 0;
  if (state.finished || state.elapsed_s - last_plain_s_ >= 10) {
    last_plain_s_ = state.elapsed_s;
    std::fprintf(stderr, "%s\n", text.c_str());
  }
}

void print_error(const Error& error) {
  const bool colour = colours();
  std::fprintf(stderr, "%serror:%s %s\n", colour ? "\033[1;31m" : "", colour ? "\033[0m" : "", error.message().c_str());
  if (!error.where().empty()) std::fprintf(stderr, "  where: %s\n", error.where().c_str());
  if (!error.hint().empty()) std::fprintf(stderr, "  hint:  %s\n", error.hint().c_str());
}

}  // namespace foil::app
