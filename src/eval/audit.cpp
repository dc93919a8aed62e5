#include "eval/audit.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <unordered_map>
#include <unordered_set>

#include "base/random.h"

namespace foil::eval {
namespace {

using Json = nlohmann::json;

std::optional<double> plain_number(std::string text) {
  text.erase(std::remove_if(text.begin(), text.end(), [](char c) { return c == ',' || c == '$' || c == ' '; }), text.end());
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

void add_4grams(const std::string& text, std::unordered_set<uint64_t>& seen, int64_t& total) {
  std::vector<uint64_t> words;
  for (size_t i = 0; i < text.size();) {
    while (i < text.size() && std::isspace(static_cast<unsigned char>(text[i]))) ++i;
    const size_t begin = i;
    while (i < text.size() && !std::isspace(static_cast<unsigned char>(text[i]))) ++i;
    if (i > begin) words.push_back(hash64(std::string_view(text).substr(begin, i - begin)));
  }
  for (size_t i = 0; i + 4 <= words.size(); ++i, ++total)
    seen.insert(mix64(mix64(words[i], words[i + 1]), mix64(words[i + 2], words[i + 3])));
}

template <class Key>
std::pair<Key, int64_t> most_frequent(const std::map<Key, int64_t>& counts) {
  std::pair<Key, int64_t> top{};
  for (const auto& [key, count] : counts)
    if (count > top.second) top = {key, count};
  return top;
}

}  // namespace

Histogram histogram(const std::vector<std::vector<double>>& groups, int bins) {
  Histogram h;
  bins = std::max(bins, 1);
  double low = INFINITY, high = -INFINITY;
  for (const auto& g : groups)
    for (const double v : g)
      if (std::isfinite(v)) low = std::min(low, v), high = std::max(high, v);
  if (low > high) low = 0, high = 1;
  if (low == high) low -= 0.5, high += 0.5;
  h.low = low;
  h.width = (high - low) / bins;
  for (const auto& g : groups) {
    auto& counts = h.counts.emplace_back(size_t(bins), 0);
    for (const double v : g)
      if (std::isfinite(v)) ++counts[size_t(std::clamp(int((v - low) / h.width), 0, bins - 1))];
  }
  return h;
}

ScoreDistribution distribution(const std::string& score, const std::vector<std::string>& names, const std::vector<std::vector<double>>& groups, int bins) {
  const Histogram h = histogram(groups, bins);
  ScoreDistribution d{score, h.low, h.width, {}};
  for (size_t g = 0; g < groups.size(); ++g) {
    std::vector<double> finite;
    for (const double v : groups[g])
      if (std::isfinite(v)) finite.push_back(v);
    ScoreGroup group{names[g], int64_t(finite.size()), mean(finite), standard_deviation(finite), {}, h.counts[g]};
    const double half = finite.size() > 1 ? 1.96 * group.deviation / std::sqrt(double(finite.size())) : 0;
    group.interval = {group.mean - half, group.mean + half};
    d.groups.push_back(std::move(group));
  }
  return d;
}

const ScoreGroup* ScoreDistribution::find(const std::string& name) const {
  for (const auto& g : groups)
    if (g.name == name) return &g;
  return nullptr;
}

const ScoreDistribution* AuditResult::find(const std::string& score) const {
  for (const auto& d : scores)
    if (d.score == score) return &d;
  return nullptr;
}

Diversity diversity(std::span<const Problem> problems, std::span<const Sample> samples) {
  std::unordered_map<std::string, const Problem*> by_id;
  for (const auto& p : problems) by_id[p.id] = &p;
  struct Group {
    std::unordered_set<std::string> answers;
    std::unordered_set<uint64_t> grams;
    int64_t answered = 0, total_grams = 0;
  };
  std::map<std::string, Group> groups;
  std::map<std::string, int64_t> answers, offsets;
  int64_t answered = 0, numeric = 0;
  for (const auto& s : samples) {
    auto& g = groups[s.problem_id];
    add_4grams(s.text, g.grams, g.total_grams);
    if (!s.answer || s.answer->empty()) continue;
    g.answers.insert(*s.answer);
    ++g.answered;
    ++answers[*s.answer];
    ++answered;
    const auto problem = by_id.find(s.problem_id);
    if (s.correct.value_or(false) || problem == by_id.end()) continue;
    const auto mine = plain_number(*s.answer), gold = plain_number(problem->second->answer);
    if (mine && gold) ++offsets[fmt::format("{:+.10g}", *mine - *gold)], ++numeric;
  }
  Diversity d;
  d.problems = int64_t(groups.size());
  d.samples = int64_t(samples.size());
  std::vector<double> answer_shares, gram_shares;
  for (const auto& [id, g] : groups) {
    if (g.answered) answer_shares.push_back(double(g.answers.size()) / double(g.answered));
    if (g.total_grams) gram_shares.push_back(double(g.grams.size()) / double(g.total_grams));
  }
  d.distinct_answer_share = mean(answer_shares);
  d.distinct_4gram_share = mean(gram_shares);
  if (answered) {
    const auto [answer, count] = most_frequent(answers);
    d.top_answer = answer;
    d.top_answer_share = double(count) / double(answered);
  }
  if (numeric) {
    const auto [offset, count] = most_frequent(offsets);
    d.top_offset = offset;
    d.top_offset_share = double(count) / double(numeric);
  }
  return d;
}

void to_json(Json& j, const AuditResult& x) {
  Json scores = Json::array(), diversity = Json::object(), filters = Json::object();
  for (const auto& d : x.scores) {
    Json groups = Json::array();
    for (const auto& g : d.groups)
      groups.push_back({{"name", g.name}, {"count", g.count}, {"mean", g.mean}, {"deviation", g.deviation}, {"interval", g.interval}, {"bins", g.bins}});
    scores.push_back({{"score", d.score}, {"low", d.low}, {"width", d.width}, {"groups", groups}});
  }
  for (const auto& [name, d] : x.diversity)
    diversity[name] = {{"problems", d.problems}, {"samples", d.samples}, {"distinct_answer_share", d.distinct_answer_share},
                       {"distinct_4gram_share", d.distinct_4gram_share}, {"top_answer", d.top_answer}, {"top_answer_share", d.top_answer_share},
                       {"top_offset", d.top_offset}, {"top_offset_share", d.top_offset_share}};
  for (const auto& [name, f] : x.filters) filters[name] = {{"candidates", f.candidates}, {"kept", f.kept}, {"dropped", f.dropped}};
  j = {{"scores", scores}, {"separability", x.separability}, {"diversity", diversity}, {"filters", filters}};
}

void from_json(const Json& j, AuditResult& x) {
  x = {};
  const Json scores = j.value("scores", Json::array());
  for (const auto& s : scores) {
    ScoreDistribution d{s.at("score"), s.at("low"), s.at("width"), {}};
    for (const auto& g : s.at("groups"))
      d.groups.push_back({g.at("name"), g.at("count"), g.at("mean"), g.at("deviation"), g.at("interval").get<Interval>(), g.at("bins").get<std::vector<int64_t>>()});
    x.scores.push_back(std::move(d));
  }
  x.separability = j.value("separability", std::map<std::string, Separability>{});
  const Json diversities = j.value("diversity", Json::object()), filters = j.value("filters", Json::object());
  for (const auto& [name, d] : diversities.items())
    x.diversity[name] = {d.at("problems"), d.at("samples"), d.at("distinct_answer_share"), d.at("distinct_4gram_share"),
                         d.at("top_answer_share"), d.at("top_answer"), d.at("top_offset_share"), d.at("top_offset")};
  for (const auto& [name, f] : filters.items())
    x.filters[name] = {f.at("candidates"), f.at("kept"), f.at("dropped").get<std::map<std::string, int64_t>>()};
}

}  // namespace foil::eval
