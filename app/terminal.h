// What a person sees: progress bars with rate and time left on a terminal, plain lines elsewhere; errors in one shape.
#pragma once
#include <string>

#include "base/error.h"
#include "base/progress.h"

namespace foil::app {

// Bars on stderr when it is a terminal, else a line every few seconds and one at the end.
class TerminalProgress : public ProgressSink {
 public:
  TerminalProgress();
  void show(const ProgressState& state) override;
  void clear_line();  // before anything else is printed to stderr

 private:
  bool terminal_;
  bool line_open_ = false;
  double last_plain_s_ = -1;
  std::string last_label_;
};

bool stderr_is_terminal();
bool stdout_is_terminal();
bool colours();  // NO_COLOR is honoured

std::string duration(double seconds);   // "1 h 02 min", "3 min 20 s", "12 s"
std::string count(double n);            // "1.2 M", "340 k", "57"

// "error: …", where, and the hint, on stderr.
void print_error(const Error& error);

}  // namespace foil::app
