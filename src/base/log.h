// Log lines for people, through spdlog's default logger (the program points it at stderr; tests may capture it).
#pragma once
#include <spdlog/spdlog.h>

namespace foil {
template <class... A> void log_info(fmt::format_string<A...> f, A&&... a) { spdlog::info(fmt::format(f, std::forward<A>(a)...)); }
template <class... A> void log_warning(fmt::format_string<A...> f, A&&... a) { spdlog::warn(fmt::format(f, std::forward<A>(a)...)); }
}  // namespace foil
