// Examples side by side, and the audit of the negatives: scores, separability, diversity, filters.
#include <algorithm>
#include <set>

#include "base/error.h"
#include "report/html.h"
#include "report/headline.h"
#include "report/sections.h"

namespace foil::report {
namespace {

constexpr double kNoGap = 0.25;  // of the correct answers' deviation
constexpr size_t kShownExamples = 4, kMostExamples = 12, kMostBytes = 6000, kMostWords = 500;

struct Example {
  std::string id, problem, answer, chosen;
  const Pair *plausible = nullptr, *rejection = nullptr;
};

std::string problem_text(const RunData& run, const Pair& pair) {
  const auto it = run.problems.find(pair.problem_id);
  if (it != run.problems.end()) return it->second.problem;
  if (!pair.prompt_messages.empty()) return pair.prompt_messages.back().content;
  return pair.prompt;
}

// Evenly over the file, problems that have both kinds of negative first.
std::vector<Example> examples(const RunData& run) {
  std::map<std::string, const Pair*> rejection;
  const auto by = [&](const char* name) -> const std::vector<Pair>& {
    static const std::vector<Pair> none;
    const auto it = run.pairs.find(name);
    return it == run.pairs.end() ? none : it->second;
  };
  for (const auto& p : by("rejection")) rejection.emplace(p.problem_id, &p);
  std::vector<Example> both, one;
  std::set<std::string> seen;
  for (const auto& p : by("plausible")) {
    if (!seen.insert(p.problem_id).second) continue;
    const auto other = rejection.find(p.problem_id);
    Example e{p.problem_id, problem_text(run, p), "", p.chosen, &p, other == rejection.end() ? nullptr : other->second};
    (e.rejection ? both : one).push_back(std::move(e));
  }
  if (seen.empty())
    for (const auto& p : by("rejection"))
      if (seen.insert(p.problem_id).second) one.push_back({p.problem_id, problem_text(run, p), "", p.chosen, nullptr, &p});
  std::vector<Example> out;
  for (const auto* list : {&both, &one}) {
    const size_t want = std::min(kMostExamples - out.size(), list->size());
    for (size_t i = 0; i < want; ++i) out.push_back((*list)[i * list->size() / want]);
  }
  for (auto& e : out)
    if (const auto it = run.problems.find(e.id); it != run.problems.end()) e.answer = it->second.answer;
  return out;
}

std::vector<std::string> split_words(const std::string& text) {  // words, each with the white space after it
  std::vector<std::string> out;
  for (size_t i = 0; i < text.size();) {
    const size_t begin = i;
    while (i < text.size() && !std::isspace(static_cast<unsigned char>(text[i]))) ++i;
    while (i < text.size() && std::isspace(static_cast<unsigned char>(text[i]))) ++i;
    out.push_back(text.substr(begin, i - begin));
  }
  return out;
}

std::string bare(const std::string& word) { return word.substr(0, word.find_last_not_of(" \n\t\r") + 1); }

// `text` with the words marked that are not in `base` (longest common subsequence), when the two are alike enough for that to help.
std::string marked(const std::string& base, const std::string& text) {
  const auto a = split_words(base), b = split_words(text);
  if (a.empty() || b.empty() || a.size() > kMostWords || b.size() > kMostWords) return escape(text);
  std::vector<std::vector<uint16_t>> common(a.size() + 1, std::vector<uint16_t>(b.size() + 1, 0));
  for (size_t i = a.size(); i-- > 0;)
    for (size_t j = b.size(); j-- > 0;)
      common[i][j] = bare(a[i]) == bare(b[j]) ? uint16_t(common[i + 1][j + 1] + 1) : std::max(common[i + 1][j], common[i][j + 1]);
  if (2 * common[0][0] < std::max(a.size(), b.size())) return escape(text);
  std::string html;
  for (size_t i = 0, j = 0; j < b.size(); ++j) {
    while (i < a.size() && bare(a[i]) != bare(b[j]) && common[i + 1][j] == common[i][j]) ++i;
    if (i < a.size() && bare(a[i]) == bare(b[j]) && common[i][j] == common[i + 1][j + 1] + 1) {
      html += escape(b[j]), ++i;
    } else {
      const std::string word = bare(b[j]);
      html += "<mark>" + escape(word) + "</mark>" + escape(b[j].substr(word.size()));
    }
  }
  return html;
}

std::string score_name(const std::string& name) {
  if (name == "reward_model") return "reward model";
  if (name == "policy_logprob") return "log-probability per token";
  return split_label(name);
}

std::string chips(const Pair& pair, const std::string& side) {
  std::string html;
  for (const auto& [name, value] : pair.scores)
    if (name == side + "_reward_model" || name == side + "_judge" || name == side + "_policy_logprob") html += fmt::format("<span>{} <b>{}</b></span>", escape(score_name(name.substr(side.size() + 1))), name.find("judge") != std::string::npos ? number(value, 2) : signed_number(value));
  return html.empty() ? "" : "<div class='chips'>" + html + "</div>";
}

std::string column(const std::string& title, Colour colour, const std::string& body, const std::string& score_chips) {
  return fmt::format("<div style='border-top-color:{}'><h4 style='color:{}'>{}</h4><pre>", css(colour), css(colour), title) + body + "</pre>" + score_chips + "</div>";
}

// Who wrote a side of the pair, from its provenance ("policy#3"); `otherwise` where that is not recorded.
std::string author(const Pair& pair, const std::string& side, const std::string& otherwise) {
  const auto it = pair.provenance.find(side);
  if (it == pair.provenance.end() || it->second.empty()) return otherwise;
  const std::string source = it->second.substr(0, it->second.find('#'));
  if (source == "policy") return "the policy’s own";
  if (source == "generator") return "generator";
  if (source == "reference") return "reference solution";
  return escape(source);
}

std::string card(const Example& e) {
  std::string html = "<div class='example'><div class='problem'>" + escape(shortened(e.problem, kMostBytes));
  if (!e.answer.empty()) html += "\n<small>right answer: <b>" + escape(e.answer) + "</b></small>";
  html += "</div><div class='answers'>";
  const Pair* any = e.plausible ? e.plausible : e.rejection;
  html += column("Right · " + author(*any, "chosen", "the policy’s own"), Colour::kBlue, escape(shortened(e.chosen, kMostBytes)), chips(*any, "chosen"));
  if (e.plausible) html += column("Wrong · plausible (" + author(*e.plausible, "rejected", "generator") + ")", Colour::kGreen, marked(e.chosen, shortened(e.plausible->rejected, kMostBytes)), chips(*e.plausible, "rejected"));
  if (e.rejection) html += column("Wrong · rejection-sampled", Colour::kOrange, marked(e.chosen, shortened(e.rejection->rejected, kMostBytes)), chips(*e.rejection, "rejected"));
  return html + "</div></div>";
}

Colour group_colour(const std::string& name) { return name == "correct" ? Colour::kBlue : policy_colour(name); }

std::string group_label(const std::string& name) {
  if (name == "correct") return "correct answers";
  if (name == "plausible") return "plausible negatives";
  if (name == "rejection") return "rejection-sampled negatives";
  return split_label(name);
}

std::string distribution_part(const eval::ScoreDistribution& d) {
  std::vector<Bars> bars;
  std::vector<std::pair<std::string, Colour>> names;
  for (const auto& g : d.groups) {
    if (g.count == 0) continue;
    Bars b{group_label(g.name), group_colour(g.name), {}, g.mean};
    for (const int64_t n : g.bins) b.heights.push_back(double(n) / double(g.count));
    names.emplace_back(fmt::format("{} (mean {}, n {})", b.name, signed_number(g.mean), count(double(g.count))), b.colour);
    bars.push_back(std::move(b));
  }
  if (bars.empty()) return "";
  return "<figure class='wide'>" + legend(names) + histogram_chart(d.low, d.width, bars, d.score == "reward_model" ? "reward-model score" : score_name(d.score)) + "</figure>";
}

std::string score_part(const eval::AuditResult& audit) {
  std::string html;
  if (const auto* d = audit.find("reward_model")) {
    html += "<h3>How the answers score</h3><p>A reward model was trained to tell the policy’s right answers from its wrong ones by their text; it does not know the solution. "
            "A plausible negative should fool it: score like a right answer. A rejection-sampled one, the policy’s ordinary mistake, should not. "
            "(In the paper: +3.21 for correct, +3.34 for plausible, −3.13 for rejection-sampled answers.)</p>" + distribution_part(*d);
    const auto *right = d->find("correct"), *plausible = d->find("plausible"), *rejection = d->find("rejection");
    if (right && plausible && rejection && right->count > 1 && plausible->count > 1 && rejection->count > 1) {
      const double gap = right->mean - rejection->mean, left = right->mean - plausible->mean;
      html += "<p>";
      if (gap < kNoGap * right->deviation)  // then "how much of the gap is closed" says nothing
        html += "Here the reward model hardly tells the policy’s ordinary mistakes from its right answers, so its scores say little about the plausible ones either. ";
      html += fmt::format("Rejection-sampled negatives score {} {} correct answers, plausible ones {} {}", number(std::abs(gap)), gap >= 0 ? "below" : "above", number(std::abs(left)), left >= 0 ? "below" : "above");
      if (gap >= kNoGap * right->deviation && left <= gap)
        html += left > 0 ? fmt::format(": the generator closes {} of the gap", percent(1 - left / gap, 0)) : ": the generator closes the gap";
      html += ".</p>";
    }
  }
  for (const auto& d : audit.scores) {
    if (d.score == "reward_model") continue;
    const std::string body = distribution_part(d);
    if (!body.empty()) html += fmt::format("<details{}><summary>{}</summary>", "", escape(d.score == "policy_logprob" ? "How likely the policy finds them (log-probability per token)" : "Scores: " + score_name(d.score))) + body + "</details>";
  }
  return html;
}

std::string weights(const std::vector<eval::Weight>& list) {
  std::string html = "<span class='weights'>";
  for (size_t i = 0; i < list.size() && i < 8; ++i) html += fmt::format("<span title='weight {}'>{}</span>", signed_number(list[i].weight), escape(list[i].feature));
  return html + "</span>";
}

std::string separability_part(const eval::AuditResult& audit) {
  if (audit.separability.empty()) return "";
  std::string html = "<h3>Can a shallow classifier tell right from wrong?</h3><p>If it can, from length and format alone, then training on these pairs may teach style instead of reasoning. "
                     "AUC on held-out problems: 0.5 means it cannot tell at all, 1 that it always can.</p><div class='scroll'><table><tr><th>pairs</th><th>length and format only</th><th>words (1–3-grams)</th>"
                     "<th class='text'>what gives the right one away</th><th class='text'>what gives the wrong one away</th></tr>";
  const auto cell = [](const eval::Figure& f) { return fmt::format("<td>{:.2f}<small>{:.2f} – {:.2f}</small></td>", f.value, f.interval.low, f.interval.high); };
  for (const auto& [name, s] : audit.separability) {
    html += "<tr><td>" + escape(group_label(name)) + "</td>" + cell(s.format.auc) + cell(s.words.auc);
    const bool format = s.format.auc.interval.low > 0.5, words = s.words.auc.interval.low > 0.5;  // what a classifier at chance weighs means nothing
    const auto side = [&](const std::vector<eval::Weight>& a, const std::vector<eval::Weight>& b) {
      return "<td class='text'>" + (format || words ? (format ? weights(a) : "") + (format && words ? "<br>" : "") + (words ? weights(b) : "") : "<small>nothing found</small>") + "</td>";
    };
    html += side(s.format.for_chosen, s.words.for_chosen) + side(s.format.for_rejected, s.words.for_rejected) + "</tr>";
  }
  return html + "</table></div>";
}

std::string diversity_part(const eval::AuditResult& audit) {
  if (audit.diversity.empty()) return "";
  std::string html = "<h3>Is it one trick?</h3><div class='scroll'><table><tr><th>samples from</th><th>samples</th><th>problems</th><th>different answers per problem</th><th>different 4-grams per problem</th>"
                     "<th>most frequent answer</th><th>most frequent slip (answer − right answer)</th></tr>";
  for (const auto& [name, d] : audit.diversity)
    html += fmt::format("<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>", escape(name == "generator" ? "the generator" : name == "policy" ? "the RL policy" : name),
                        count(double(d.samples)), count(double(d.problems)), percent(d.distinct_answer_share, 0), percent(d.distinct_4gram_share, 0),
                        d.top_answer.empty() ? "–" : escape(shortened(d.top_answer, 24)) + fmt::format("<small>{} of all</small>", percent(d.top_answer_share)),
                        d.top_offset.empty() ? "–" : escape(d.top_offset[0] == '-' ? "−" + d.top_offset.substr(1) : d.top_offset) + fmt::format("<small>{} of the wrong numbers</small>", percent(d.top_offset_share)));
  return html + "</table></div>";
}

std::string filter_part(const eval::AuditResult& audit) {
  if (audit.filters.empty()) return "";
  std::string html = "<h3>From candidates to pairs</h3><div class='scroll'><table><tr><th>pairs</th><th>candidates</th><th>kept</th><th class='text'>dropped because</th></tr>";
  for (const auto& [name, f] : audit.filters) {
    html += fmt::format("<tr><td>{}</td><td>{}</td><td>{}</td><td class='text'>", escape(group_label(name)), count(double(f.candidates)), count(double(f.kept)));
    std::vector<std::pair<int64_t, std::string>> reasons;
    for (const auto& [reason, n] : f.dropped)
      if (n) reasons.emplace_back(n, reason);
    std::sort(reasons.rbegin(), reasons.rend());
    for (size_t i = 0; i < reasons.size(); ++i) html += (i ? " · " : "") + escape(split_label(reasons[i].second)) + " " + count(double(reasons[i].first));
    html += "</td></tr>";
  }
  return html + "</table></div>";
}

}  // namespace

std::string example_section(const RunData& run) {
  const auto list = examples(run);
  if (list.empty()) return "";
  std::string html = "<p>From the preference pairs, taken evenly over the file, not chosen by hand. Marked: words that are not in the right answer on the left. "
                     "The plausible answer should read as well as the right one and still end wrong.</p>";
  for (size_t i = 0; i < std::min(kShownExamples, list.size()); ++i) html += card(list[i]);
  if (list.size() > kShownExamples) {
    html += fmt::format("<details><summary>{} more</summary>", list.size() - kShownExamples);
    for (size_t i = kShownExamples; i < list.size(); ++i) html += card(list[i]);
    html += "</details>";
  }
  return html;
}

std::string audit_section(const RunData& run) {
  if (!run.audit) return "";
  return score_part(*run.audit) + separability_part(*run.audit) + diversity_part(*run.audit) + filter_part(*run.audit);
}

}  // namespace foil::report
