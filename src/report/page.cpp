#include "report/page.h"

#include <ctime>

#include "report/html.h"
#include "report/sections.h"

namespace foil::report {
namespace {

std::string text_of(const nlohmann::json& j) { return j.is_string() ? j.get<std::string>() : j.dump(); }

std::string run_field(const RunData& run, const char* name) {
  const auto it = run.manifest.find("run");
  if (it == run.manifest.end() || !it->is_object() || !it->contains(name)) return "";
  return text_of(it->at(name));
}

std::string date(double seconds) {
  const std::time_t t = std::time_t(seconds);
  std::tm tm{};
  gmtime_r(&t, &tm);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02} UTC", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min);
}

std::string header(const RunData& run) {
  std::string title = run_field(run, "name");
  if (title.empty()) title = run.name;
  std::string html = "<h1>" + escape(title) + "</h1>";
  const std::string description = run_field(run, "description");
  html += "<p>" + (description.empty() ? std::string("A language model is taught to reason better by learning from <i>plausible wrong answers</i>: answers that look right, "
                                                     "score like right ones, and end wrong. This page shows what came out of one run of <b>foil</b>, and why.")
                                       : escape(description)) + "</p>";
  std::vector<std::string> facts;
  if (!run.metrics.empty()) facts.push_back("started " + date(run.metrics.front().time));
  double seconds = 0;
  if (const auto stages = run.manifest.find("stages"); stages != run.manifest.end() && stages->is_array())
    for (const auto& s : *stages) seconds += s.value("seconds", 0.0);
  if (seconds > 0) facts.push_back("took " + duration(seconds));
  for (const char* name : {"recipe", "machine", "version", "seed"}) {
    const std::string value = run_field(run, name);
    if (!value.empty()) facts.push_back((std::string(name) == "machine" ? "" : std::string(name) + " ") + escape(value));
  }
  html += "<p class='meta'>";
  for (size_t i = 0; i < facts.size(); ++i) html += (i ? " · " : "") + facts[i];
  return html + "</p>";
}

}  // namespace

std::string page(const RunData& run) {
  struct Part {
    const char *id, *title;
    std::string html;
  };
  const Headline table = headline(run.evals);
  const std::vector<Part> parts = {
      {"method", "What was done", method_section(run)},
      {"examples", "What a plausible wrong answer looks like", example_section(run)},
      {"why", "Where a gain can come from", audit_section(run)},
      {"evaluation", "Evaluation in detail", evaluation_section(run, table)},
      {"studies", "Compared over several seeds", study_section(run)},
      {"training", "Training curves", training_section(run)},
      {"cost", "Time and cost", cost_section(run)},
      {"setup", "Setup", setup_section(run)},
  };
  std::string html = "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width,initial-scale=1'><title>" +
                     escape(run.name) + " – foil report</title><style>" + style_sheet() + "</style></head><body><main>\n";
  html += header(run) + "<nav>";
  for (const auto& p : parts)
    if (!p.html.empty()) html += fmt::format("<a href='#{}'>{}</a>", p.id, p.title);
  html += "</nav>\n" + verdict_section(run, table) + warning_section(run);
  for (const auto& p : parts)
    if (!p.html.empty()) html += fmt::format("\n<h2 id='{}'>{}</h2>\n", p.id, p.title) + p.html;
  html += "\n<footer>Written by foil from the files of the run folder; <code>foil report FOLDER</code> writes it again.</footer></main></body></html>\n";
  return html;
}

}  // namespace foil::report
